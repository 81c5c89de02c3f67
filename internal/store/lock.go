package store

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// accountLocks are the locks of one process's goroutines: one per account, whose waiters leave when their
// context ends. The zero value is ready.
type accountLocks struct {
	mu    sync.Mutex
	slots map[string]*slot
}

type slot struct {
	held  chan struct{} // full while somebody holds the lock
	users int           // who holds it or waits for it; guarded by accountLocks.mu
}

// lock waits for the account's lock. The caller must call the function that it returns.
func (l *accountLocks) lock(ctx context.Context, account string) (unlock func(), err error) {
	l.mu.Lock()
	if l.slots == nil {
		l.slots = map[string]*slot{}
	}
	s := l.slots[account]
	if s == nil {
		s = &slot{held: make(chan struct{}, 1)}
		l.slots[account] = s
	}
	s.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if s.users--; s.users == 0 {
			delete(l.slots, account)
		}
	}
	// A context that has ended must not win the lock by the luck of select.
	if err := ctx.Err(); err != nil {
		leave()
		return nil, fmt.Errorf("record of %s: wait for the lock: %w", account, err)
	}
	select {
	case s.held <- struct{}{}:
		return func() { <-s.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("record of %s: wait for the lock: %w", account, ctx.Err())
	}
}

// fileLock is a lock that processes share. The system releases it when its holder dies.
type fileLock struct{ f *flock.Flock }

// Processes are rarely in each other's way; who has to wait looks again at most this often, and at least.
const (
	lockPollMin = time.Millisecond
	lockPollMax = 50 * time.Millisecond
)

// lockFile waits for the lock at path, creating the file where needed; ErrUnavailable.
func lockFile(ctx context.Context, path string) (*fileLock, error) {
	for wait := lockPollMin; ; wait = min(2*wait, lockPollMax) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("wait for the lock: %w", err)
		}
		l, err := tryLockFile(path)
		if err != nil {
			return nil, unavailable(err)
		}
		if l != nil {
			return l, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// tryLockFile returns nil without an error when another process has the lock.
func tryLockFile(path string) (*fileLock, error) {
	f := flock.New(path)
	if ok, err := f.TryLock(); err != nil || !ok {
		return nil, err
	}
	// The last holder may have removed the file between our open and our lock; the next process would then
	// lock another file of the same name.
	held, err := f.Stat()
	if err == nil {
		var named fs.FileInfo
		if named, err = os.Stat(path); err == nil && os.SameFile(held, named) {
			return &fileLock{f}, nil
		}
	}
	f.Unlock()
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return nil, nil
}

func (l *fileLock) unlock() { l.f.Unlock() }

// remove takes the lock file away, so that nothing is left of an account that has no record. Where the
// system refuses to remove an open file it stays, which does no harm.
func (l *fileLock) remove() {
	os.Remove(l.f.Path())
	l.f.Unlock()
}
