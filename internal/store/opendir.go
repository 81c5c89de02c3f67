package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// OpenDir opens the store of a state directory, which it creates. The key is where the file store.source there
// says, or without that file in the file store.key; it is never looked for elsewhere. When a Rekey or Move was
// interrupted, the store goes on with it in the background as soon as the keys can be reached; records stay
// readable meanwhile. The caller must call Close. ErrUnavailable, ErrDamaged.
func OpenDir(state string) (*File, error) { return openDir(state, newRing()) }

func openDir(state string, r *ring) (*File, error) {
	state, err := filepath.Abs(state)
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", state, err)
	}
	c := &chosen{state: state, ring: r}
	if _, err := c.read(); err != nil {
		return nil, err
	}
	f, err := OpenFile(filepath.Join(state, storeDir), c)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	f.end = end
	f.key.asked = func() { f.goOn(life, c) }
	return f, nil
}

// Describe says where the key is, for people: "key file /…/store.key".
func (f *File) Describe() string { return f.key.source.Describe() }

// Unfinished says of an interrupted Rekey or Move which key some records still need; "" when there is none.
func (f *File) Unfinished() string {
	if c, ok := f.key.source.(*chosen); ok {
		if ch, err := c.read(); err == nil && ch.before != nil {
			return ch.before.Describe()
		}
	}
	return ""
}

// Choose says where the key of a new store will be, before there is one: of a source that ParseSource returned,
// for `postern setup`. It asks the source once, so that one that is out of reach is not chosen. Another choice
// can replace it while there is no key; then Move is the way. ErrUnavailable.
func Choose(ctx context.Context, state string, to KeySource) error {
	return choose(ctx, state, to, newRing())
}

func choose(ctx context.Context, state string, to KeySource, r *ring) error {
	f, err := openDir(state, r)
	if err != nil {
		return err
	}
	defer f.Close()
	c := f.key.source.(*chosen)
	p, err := c.own(to)
	if err != nil {
		return err
	}
	l, err := f.lockKey(ctx)
	if err != nil {
		return err
	}
	defer l.remove()
	now, err := c.read()
	if err != nil {
		return err
	}
	if now.key.line(c.state) == p.line(c.state) {
		if now.stated {
			return nil
		}
		return c.write(now)
	}
	empty, err := f.empty()
	if err != nil {
		return fmt.Errorf("store %s: %w; %s", f.dir, err, cure(err))
	}
	switch _, err := now.key.Key(ctx, false); {
	case err == nil || !empty:
		return fmt.Errorf("the key of the store is in the %s already; \"postern store move\" moves it", now.key.Describe())
	case !errors.Is(err, ErrUnavailable):
		return err
	}
	return c.begin(ctx, p)
}

// begin makes p the place of a key that is not yet made, if it can be reached.
func (c *chosen) begin(ctx context.Context, p place) error {
	if err := vacant(ctx, p); err != nil {
		return err
	}
	return c.write(choice{key: p})
}
