package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// The directory of a store can be taken away under the process that has it open: deleted by mistake, or with the disk
// that it is on. What View has read and Update has written stays known, and is shown; nothing new begins that would
// have to be written. When a directory of that name is there again, ComeBack writes into it what it does not have, or
// has only as an older version.

// ErrAway says that the store's directory was taken away, and that what is shown comes from memory. It is one of
// ErrUnavailable.
var ErrAway error = away{}

type away struct{}

func (away) Error() string        { return "the store's directory was taken away" }
func (away) Is(target error) bool { return target == ErrUnavailable }

// openHome keeps the directory open: while it is, no other one can have its identity. Where it can not be opened,
// whoever needs a record says so.
func (f *File) openHome() {
	if runtime.GOOS == "windows" {
		return // an open directory could not be removed
	}
	home, err := os.Open(f.dir)
	if err != nil {
		return
	}
	f.mu.Lock()
	old := f.home
	f.home = home
	f.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// isAway reports whether another directory, or none, is where the store's was.
func (f *File) isAway() bool {
	now, err := os.Stat(f.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false // whoever needs a record says it better
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.home == nil || err != nil {
		return f.home != nil
	}
	home, err := f.home.Stat()
	return err == nil && !os.SameFile(home, now)
}

// listAway is what a list says while the directory is away.
func (f *File) listAway() error { return fmt.Errorf("store %s: %w; %s", f.dir, ErrAway, cure(ErrAway)) }

// known returns what is known of the account's record; ok is false when that is nothing.
func (f *File) known(account string) (c cached, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok = f.cache[account]
	return c, ok
}

// allKnown returns the accounts of which anything is known.
func (f *File) allKnown() (accounts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for account := range f.cache {
		accounts = append(accounts, account)
	}
	return accounts
}

// supersedes reports whether c is to be where the store's directory stands now: there is no such record, or an earlier
// version of it. One that is sealed with another key is no version of it but another store's, such as that of a disk
// which was mounted over this one.
func (f *File) supersedes(c cached) bool {
	name := fileName(c.record.Account)
	info, err := os.Stat(f.path(name, recordEnding))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if !c.info.ModTime().After(info.ModTime()) {
		return false
	}
	there, err := f.rawRecord(name)
	return err != nil || there == nil || there.id == c.key
}

// ComeBack writes what is known into the directory that stands where the store's was taken away; back is false when
// none was. While there is no directory the error is one of ErrAway; one that is missing alone is made again. Without
// anything to do it costs two stats.
func (f *File) ComeBack(ctx context.Context) (back bool, err error) {
	if !f.isAway() {
		return false, nil
	}
	if err := os.Mkdir(f.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, f.listAway()
	}
	for _, account := range f.allKnown() {
		if err := f.comeBack(ctx, account); err != nil {
			return false, err
		}
	}
	f.openHome()
	return true, nil
}

func (f *File) comeBack(ctx context.Context, account string) error {
	unlock, err := f.lock(ctx, account)
	if err != nil {
		return err
	}
	defer unlock()
	return f.putBack(ctx, account)
}

// putBack writes what is known of the account into another directory than it was read from, unless that has a later
// version. The caller has the account's lock.
func (f *File) putBack(ctx context.Context, account string) error {
	name := fileName(account)
	target := f.path(name, recordEnding)
	c, ok := f.known(account)
	if !ok || !f.supersedes(c) {
		return nil
	}
	if err := f.nameKeyAgain(ctx); err != nil {
		return f.explain(err, account)
	}
	s, err := f.key.get(ctx, true, f.createKey)
	if err != nil {
		return f.explain(err, account)
	}
	plain, err := encode(c.record)
	if err != nil {
		return f.explain(err, account)
	}
	p, err := reserve(f.path(name, tempEnding), target, len(plain)+headroom)
	if err == nil {
		err = p.commit(s.seal(account, plain), c.info.ModTime())
	}
	if err != nil {
		return f.explain(unavailable(err), account)
	}
	f.written(account, plain, s)
	return nil
}

// nameKeyAgain writes the choice of the key's place, where it was taken away with the records. The key itself is found
// there, or a new one is made. Without a choice to write it does not wait for the lock of the key, whose holder may wait
// for the account's lock that the caller has.
func (f *File) nameKeyAgain(ctx context.Context) error {
	c, ok := f.key.source.(*chosen)
	if !ok || c.lost() == nil {
		return nil
	}
	l, err := f.lockKey(ctx)
	if err != nil {
		return err
	}
	defer l.remove()
	if last := c.lost(); last != nil {
		return c.write(choice{key: last.key})
	}
	return nil
}

// lost returns the choice that was read last, when the state directory has none any more.
func (c *chosen) lost() *choice {
	if _, err := os.Lstat(c.path()); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return c.last.Load()
}

// written keeps what was just written, sealed by s. The caller has the account's lock, so the file is that of plain.
func (f *File) written(account string, plain []byte, s *sealer) {
	info, err := os.Stat(f.path(fileName(account), recordEnding))
	if err != nil {
		return
	}
	if r, err := decode(account, plain); err == nil {
		f.remember(account, cached{info: info, record: r, key: s.id})
	}
}
