package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// headroom is what Update keeps free for a record besides twice its present size: a first pair of tokens
// takes some 10 KB.
const headroom = 64 << 10

// File is a Store with one encrypted file per account in a directory, which several processes may share.
type File struct {
	dir   string
	locks accountLocks
	key   keyHolder

	// Of a store that OpenDir opened: what goes on with an unfinished change of keys, and what ends it.
	background sync.WaitGroup
	end        context.CancelFunc // nil when there is nothing to end

	mu     sync.Mutex
	cache  map[string]cached // what View has read and Update has written
	home   *os.File          // dir as it was opened; nil when that could not be
	closed bool
	goesOn bool // background is at work
}

// cached is a record as read from the file that info describes.
type cached struct {
	info   fs.FileInfo
	record Record
	key    [keyIDSize]byte // with which it is sealed
}

// OpenFile opens the store in dir, which it creates with mode 0700. The key is asked for when it is first
// needed, so that a keyring that is still locked does not stop the program. ErrUnavailable.
func OpenFile(dir string, keys KeySource) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store %s: %w; %s", dir, unavailable(err), cure(err))
	}
	f := &File{dir: dir, cache: map[string]cached{}, key: keyHolder{source: keys, turn: make(chan struct{}, 1)}}
	f.openHome()
	f.sweep()
	return f, nil
}

// sweep removes what processes that died have left half-written. A file whose lock is held is being
// written now.
func (f *File) sweep() {
	names, err := f.names(tempEnding)
	if err != nil {
		return // a directory that can not be read is reported by whoever needs a record
	}
	for _, name := range names {
		if _, ours := accountOf(name); !ours && !strings.HasPrefix(name, hashPrefix) {
			continue
		}
		if l, err := tryLockFile(f.path(name, lockEnding)); err == nil && l != nil {
			os.Remove(f.path(name, tempEnding))
			f.unlockFile(l, name)
		}
	}
}

func (f *File) path(name, ending string) string { return filepath.Join(f.dir, name+ending) }

// View implements Store. While the file stays the same it costs one stat.
func (f *File) View(ctx context.Context, account string) (Record, error) {
	if err := f.usable(ctx); err != nil {
		return Record{}, err
	}
	account, err := accountName(account)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", err, ErrNotFound)
	}
	if info, err := os.Stat(f.path(fileName(account), recordEnding)); err == nil {
		f.mu.Lock()
		c, ok := f.cache[account]
		f.mu.Unlock()
		if ok && sameContent(c.info, info) {
			return c.record.clone(), nil
		}
	}
	c, err := f.read(ctx, account)
	if f.isAway() {
		if k, ok := f.known(account); ok && f.supersedes(k) {
			return k.record.clone(), nil
		}
	}
	if isNotFound(err) {
		f.forget(account)
	}
	if err != nil {
		return Record{}, err
	}
	f.remember(account, c)
	return c.record.clone(), nil
}

// sameContent relies on commit, which gives every version of a record another modification time.
func sameContent(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (f *File) remember(account string, c cached) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.cache[account] = c
	}
}

func (f *File) forget(account string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.cache, account)
}

// forgetOthers forgets all but these accounts, which are sorted. Another process has removed the others, and ComeBack
// must not bring them back.
func (f *File) forgetOthers(accounts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.cache, func(account string, _ cached) bool {
		_, there := slices.BinarySearch(accounts, account)
		return !there
	})
}

// Update implements Store.
func (f *File) Update(ctx context.Context, account string, change func(*Record) error) error {
	account, err := accountName(account)
	if err != nil {
		return err
	}
	unlock, err := f.lock(ctx, account)
	if err != nil {
		if f.isAway() {
			err = f.explain(ErrAway, account)
		}
		return err
	}
	defer unlock()
	if f.isAway() {
		if err := f.putBack(ctx, account); err != nil {
			return err
		}
	}
	return f.update(ctx, account, change)
}

func (f *File) update(ctx context.Context, account string, change func(*Record) error) error {
	old, err := f.read(ctx, account)
	absent := isNotFound(err)
	if err != nil && !absent {
		return err
	}
	if absent {
		old = cached{record: Record{Account: account}}
	}
	// A key that was replaced since must not seal a record that nobody could open.
	s, err := f.key.get(ctx, absent, f.createKey)
	if err != nil {
		return f.explain(err, account)
	}
	before, err := encode(old.record)
	if err != nil {
		return f.explain(err, account)
	}
	name := fileName(account)
	target := f.path(name, recordEnding)
	p, err := reserve(f.path(name, tempEnding), target, 2*len(before)+headroom)
	if err != nil {
		return f.explain(unavailable(err), account)
	}
	committed := false
	defer func() {
		if !committed { // also when change panics
			p.discard()
		}
	}()

	r := old.record.clone()
	if err := change(&r); err != nil {
		return err
	}
	after, err := encode(r)
	if err != nil {
		return f.explain(err, account)
	}
	if !absent && bytes.Equal(before, after) {
		// A process that died may have renamed without making it durable.
		if err := syncDir(f.dir); err != nil {
			return f.explain(unavailable(err), account)
		}
		return nil
	}
	var stamp time.Time
	if old.info != nil {
		stamp = old.info.ModTime()
	}
	committed = true
	if err := p.commit(s.seal(account, after), stamp); err != nil {
		return f.explain(unavailable(err), account)
	}
	f.written(account, after, s)
	return nil
}

// Delete implements Store.
func (f *File) Delete(ctx context.Context, account string) error {
	account, err := accountName(account)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrNotFound)
	}
	unlock, err := f.lock(ctx, account)
	if err != nil {
		return err
	}
	defer unlock()
	defer f.forget(account)
	err = os.Remove(f.path(fileName(account), recordEnding))
	if err == nil {
		err = syncDir(f.dir)
	}
	if err == nil {
		return nil
	}
	err = unreachable(f.dir, err)
	if _, known := f.known(account); known && isNotFound(err) && f.isAway() {
		return nil // it was not written back yet
	}
	return f.explain(err, account)
}

// List implements Store.
func (f *File) List(ctx context.Context) ([]string, error) {
	if err := f.usable(ctx); err != nil {
		return nil, err
	}
	var accounts []string
	var problems []error
	if f.isAway() {
		accounts, problems = f.allKnown(), append(problems, f.listAway())
	}
	names, err := f.names(recordEnding)
	if err != nil && len(problems) == 0 {
		return nil, fmt.Errorf("store %s: %w; %s", f.dir, unavailable(err), cure(err))
	}
	for _, name := range names {
		account, ok := accountOf(name)
		if !ok {
			if account, err = f.hashedAccount(name); err != nil {
				problems = append(problems, err)
				continue
			}
		}
		accounts = append(accounts, account)
	}
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)
	if len(problems) == 0 && !f.isAway() {
		f.forgetOthers(accounts)
	}
	return accounts, errors.Join(problems...)
}

// hashedAccount finds the account of a file whose name does not tell.
func (f *File) hashedAccount(name string) (string, error) {
	path := f.path(name, recordEnding)
	content, _, err := readRegular(path)
	if err != nil {
		return "", fmt.Errorf("record %s: %w", path, unreachable(f.dir, err))
	}
	_, account, _, err := split(content)
	if err == nil && fileName(account) != name {
		err = fmt.Errorf("%w: its name is not one that Postern gives", ErrDamaged)
	}
	if err != nil {
		return "", fmt.Errorf("record %s: %w; move it out of the store", path, err)
	}
	return account, nil
}

// Close implements Store. It does not wait for an Update that is under way.
func (f *File) Close() error {
	f.mu.Lock()
	f.closed, f.cache = true, nil
	home := f.home
	f.home = nil
	f.mu.Unlock()
	if home != nil {
		home.Close()
	}
	f.key.forget()
	if f.end != nil {
		f.end()
	}
	f.background.Wait()
	return nil
}

func (f *File) usable(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	return ctx.Err()
}

// lock takes the account's lock among goroutines and among processes.
func (f *File) lock(ctx context.Context, account string) (unlock func(), err error) {
	if err := f.usable(ctx); err != nil {
		return nil, err
	}
	leave, err := f.locks.lock(ctx, account)
	if err != nil {
		return nil, err
	}
	name := fileName(account)
	l, err := lockFile(ctx, f.path(name, lockEnding))
	if err != nil {
		leave()
		return nil, f.explain(err, account)
	}
	return func() { f.unlockFile(l, name); leave() }, nil
}

// unlockFile releases a lock, and leaves no file of an account that has no record.
func (f *File) unlockFile(l *fileLock, name string) {
	if _, err := os.Lstat(f.path(name, recordEnding)); errors.Is(err, fs.ErrNotExist) {
		l.remove()
		return
	}
	l.unlock()
}

// names lists the files with an ending, without it.
func (f *File) names(ending string) ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ending); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// empty reports whether there is no record yet, so that a new key may be made.
func (f *File) empty() (bool, error) {
	names, err := f.names(recordEnding)
	if err != nil {
		return false, unavailable(err)
	}
	return len(names) == 0, nil
}

// keyLock is the lock of the process that makes, moves or replaces the key. No account's files have its name.
func (f *File) keyLock() string { return f.path("%key", lockEnding) }

// lockKey waits for the lock of the key. Whoever holds it may wait for the locks of accounts; the holder of
// an account's lock may wait for it only as long as there is no key, because there is none to change then.
func (f *File) lockKey(ctx context.Context) (*fileLock, error) {
	l, err := lockFile(ctx, f.keyLock())
	if err != nil {
		return nil, fmt.Errorf("store %s: the lock of the key: %w", f.dir, err)
	}
	return l, nil
}

// createKey makes the first key. A key source has no lock of its own among processes.
func (f *File) createKey(ctx context.Context) (key [32]byte, err error) {
	l, err := f.lockKey(ctx)
	if err != nil {
		return key, err
	}
	defer l.remove()
	empty, err := f.empty()
	if err != nil {
		return key, err
	}
	return f.key.source.Key(ctx, empty)
}
