package store

import (
	"context"
	"errors"
	"fmt"
)

// A change of keys is one write, after which another key is the present one and the choice file names the
// place of the key before. What follows is settle's: to seal every record anew, remove the key before, and
// write the choice without it. Whenever the process dies, every key that records need, and every key that
// should not stay, is where the choice file says.
//
// Other processes go on meanwhile. One that meets a record under a key that it does not have asks for both
// keys. One that makes a record asks for the key under that account's lock, so whoever asked before the
// change held a lock that settle waits for.

// Rekey makes a new key in the same place and seals every record with it; the key before is removed. Backups
// of the store need a backup of that one. A store without a key needs no other. When a record can not be
// opened beforehand, nothing is changed; when Rekey fails later, every record stays readable, and calling it
// again, or the next process that opens the store, goes on with it. It is of use only for a store that
// OpenDir opened. ErrUnavailable, and what View returns of a record.
func (f *File) Rekey(ctx context.Context) error {
	return f.change(ctx, func(c *chosen, now place, key *[32]byte) error {
		if key == nil {
			return nil
		}
		switch now := now.(type) {
		case fileKey:
			return c.replaceFile(ctx, now, *key)
		case keyringKey:
			return c.switchTo(ctx, now.another(), now)
		}
		return fmt.Errorf("%s: Postern can not change it; move the key to a file or to the keyring, "+
			"or put another key into a credential of another name and move to that", now.Describe())
	})
}

// Move makes another place the one where the key is, and says so in the file store.source. It is a new key,
// because copies of the one before may have stayed behind; a systemd credential keeps the key that it has.
// Otherwise it is like Rekey. A credential that was moved from stays until it is taken out of the unit.
func (f *File) Move(ctx context.Context, to KeySource) error {
	c, ok := f.key.source.(*chosen)
	if !ok {
		return errFixedSource
	}
	p, err := c.own(to)
	if err != nil {
		return err
	}
	return f.change(ctx, func(c *chosen, now place, key *[32]byte) error {
		switch {
		case p.line(c.state) == now.line(c.state):
			return nil
		case key == nil:
			return c.begin(ctx, p)
		}
		return c.switchTo(ctx, p, now)
	})
}

// switchTo makes a key at another place and the choice name that one.
func (c *chosen) switchTo(ctx context.Context, to, now place) error {
	if err := vacant(ctx, to); err != nil {
		return err
	}
	if err := c.write(choice{key: now, next: to}); err != nil {
		return err
	}
	if err := to.fresh(ctx); err != nil {
		return c.notTaken(now, err)
	}
	return c.write(choice{key: to, before: now})
}

// replaceFile makes a new key in the same file, whose name stays for whoever makes backups of it; the present
// key steps aside.
func (c *chosen) replaceFile(ctx context.Context, p fileKey, key [32]byte) error {
	aside := p.aside()
	if err := vacant(ctx, aside); err != nil {
		return err
	}
	if err := c.write(choice{key: p, before: aside}); err != nil {
		return err
	}
	if err := aside.keep(ctx, key); err != nil {
		return c.notTaken(p, err)
	}
	return p.replace(ctx, newKey())
}

// aside is where a key steps that another one replaces in its file.
func (p fileKey) aside() fileKey { return p + ".before" }

// notTaken keeps settle from removing the key of somebody who has been quicker.
func (c *chosen) notTaken(now place, err error) error {
	if errors.Is(err, errTaken) {
		return errors.Join(err, c.write(choice{key: now}))
	}
	return err
}

var errFixedSource = errors.New("the store was opened with a key whose place is not recorded")

// change finishes the change of keys that was interrupted, if there was one, and then the one that begin
// makes. begin gets the place of the key and the key, or nil when there is none yet.
func (f *File) change(ctx context.Context, begin func(c *chosen, now place, key *[32]byte) error) error {
	c, ok := f.key.source.(*chosen)
	if !ok {
		return errFixedSource
	}
	l, err := f.lockKey(ctx)
	if err != nil {
		return err
	}
	defer l.remove()
	if err := f.settle(ctx, c); err != nil {
		return err
	}
	now, err := c.read()
	if err != nil {
		return err
	}
	key, err := now.key.Key(ctx, false)
	if errors.Is(err, ErrNoKey) {
		if empty, emptyErr := f.empty(); emptyErr == nil && empty {
			return begin(c, now.key, nil)
		}
	}
	if err != nil {
		return err
	}
	if err := f.readable(newSealer(key)); err != nil {
		return fmt.Errorf("the key stays as it is, because not every record opens with it: %w", err)
	}
	if err := begin(c, now.key, &key); err != nil {
		f.settle(ctx, c) // to clear away what it made; what fails is left to goOn
		return err
	}
	return f.settle(ctx, c)
}

// goOn finishes an interrupted change of keys, unless another process is at it. What fails is tried again
// when the key is asked for the next time.
func (f *File) goOn(ctx context.Context, c *chosen) {
	if ch, err := c.read(); err != nil || ch.settled() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.goesOn {
		return
	}
	f.goesOn = true
	f.background.Go(func() {
		if l, err := tryLockFile(f.keyLock()); err == nil && l != nil {
			f.settle(ctx, c)
			l.remove()
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.goesOn = false
	})
}

// settled reports whether no change of keys is under way.
func (c choice) settled() bool { return c.before == nil && c.next == nil }

// settle seals the records that need the key before with the present one, and removes the keys that are not
// in use. The caller has the lock of the key.
func (f *File) settle(ctx context.Context, c *chosen) error {
	ch, err := c.read()
	if err != nil || ch.settled() {
		return err
	}
	if ch.next != nil {
		// Nothing needs it, so a keyring that is out of reach is no reason to fail.
		ch.next.remove(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if ch.before == nil {
		return c.write(choice{key: ch.key})
	}
	unfinished := func(err error) error {
		return fmt.Errorf("the change of the key to the %s is not finished, and every record stays readable; "+
			"what is in the way: %w", ch.key.Describe(), err)
	}
	s, err := f.key.get(ctx, true, nil)
	if err != nil {
		return unfinished(err)
	}
	// The pass that finds nothing to do is the proof that the key before can go.
	for more := true; more; {
		if more, err = f.resealAll(ctx, s); err != nil {
			return unfinished(err)
		}
	}
	if err := ch.before.remove(ctx); err != nil {
		return unfinished(err)
	}
	if err := c.write(choice{key: ch.key}); err != nil {
		return unfinished(err)
	}
	return nil
}
