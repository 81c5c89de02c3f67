package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestEndedContext(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		put(t, s, fullRecord())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, viewErr := s.View(ctx, ann)
		_, listErr := s.List(ctx)
		updateErr := s.Update(ctx, ann, func(*Record) error { t.Error("change ran"); return nil })
		for _, err := range []error{viewErr, listErr, updateErr, s.Delete(ctx, ann)} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// What change has used up must be written, whatever became of the caller meanwhile.
func TestContextEndsDuringChange(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Update(ctx, ann, func(r *Record) error { cancel(); setCount(r, 7); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if r, err := s.View(t.Context(), ann); err != nil || count(&r) != 7 {
			t.Errorf("got %#v, %v", r, err)
		}
	})
}

func TestGoroutines(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		const writers, times = 8, 10
		var wg, readers sync.WaitGroup
		done := make(chan struct{})
		readers.Go(func() {
			last := 0
			for {
				select {
				case <-done:
					return
				default:
				}
				r, err := s.View(context.Background(), ann)
				if errors.Is(err, ErrNotFound) && last == 0 {
					continue
				}
				if n := wholeCount(t, r); err != nil || n < last {
					t.Errorf("read %d after %d, %v", n, last, err)
					return
				} else {
					last = n
				}
			}
		})
		for range writers {
			wg.Go(func() {
				for range times {
					if _, err := increment(s, ann); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		close(done)
		readers.Wait()
		if r, err := s.View(t.Context(), ann); err != nil || count(&r) != writers*times {
			t.Errorf("got %d, %v; want %d", count(&r), err, writers*times)
		}
	})
}

// One account's lock must not hold up another account, nor readers of its own.
func TestLockIsPerAccount(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		put(t, s, Record{Account: bob})
		err := s.Update(t.Context(), ann, func(*Record) error {
			_, err := increment(s, bob)
			if _, viewErr := s.View(t.Context(), ann); !errors.Is(viewErr, ErrNotFound) {
				t.Error(viewErr)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestWaiterLeaves(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		s.Update(t.Context(), ann, func(*Record) error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			err := s.Update(ctx, ann, func(*Record) error { t.Error("two at once"); return nil })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			return nil
		})
		if _, err := increment(s, ann); err != nil {
			t.Errorf("the lock stayed with a waiter that left: %v", err)
		}
	})
}

func TestAccountLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var locks accountLocks
		unlock, err := locks.lock(t.Context(), ann)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if _, err := locks.lock(ctx, ann); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		unlock()
		if unlock, err = locks.lock(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
		unlock()
		if len(locks.slots) != 0 {
			t.Errorf("%d locks are kept for nobody", len(locks.slots))
		}
	})
}
