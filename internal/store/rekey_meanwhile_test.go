package store

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A process that asked for the key before the change, and has not yet written the record that it makes, must
// not end up with a record that nobody can open.
func TestNewRecordDuringRekey(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"rekey", "move"} {
		t.Run(kind, func(t *testing.T) {
			lib, state := &fakeKeyring{}, t.TempDir()
			daemon, s := openState(t, state, lib), openState(t, state, lib)
			put(t, s, tokenOf(ann))
			rekeyed := make(chan error, 1)
			err := daemon.Update(t.Context(), bob, func(r *Record) error {
				go func() {
					if kind == "rekey" {
						rekeyed <- s.Rekey(t.Context())
						return
					}
					source, _ := ParseSource(state, "keyring")
					rekeyed <- s.Move(t.Context(), source)
				}()
				// It can not be seen that somebody waits for this lock; whoever does not is done long before.
				began := time.Now()
				eventually(t, "the change", func() bool { return len(rekeyed) != 0 || time.Since(began) > 200*time.Millisecond })
				if len(rekeyed) != 0 {
					t.Error("the change did not wait for a record that is being made")
				}
				*r = tokenOf(bob)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-rekeyed; err != nil {
				t.Fatal(err)
			}
			requireReadable(t, state, lib, ann, bob)
			requireSettled(t, s, nil)
		})
	}
}

// A record that was read before another process sealed it anew, and whose key is gone since, is read again.
func TestReadAcrossRekey(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	s := openState(t, state, nil)
	put(t, s, tokenOf(ann))
	other := openState(t, state, nil)
	slow := &slowKey{KeySource: other.key.source, before: func() {
		if err := s.Rekey(context.Background()); err != nil {
			t.Error(err)
		}
	}}
	other.key.source = slow
	for range 3 {
		slow.armed = true
		other.key.have = nil
		other.forget(ann)
		if r, err := other.View(t.Context(), ann); err != nil || r.Token.Refresh.Reveal() != "refresh of "+ann || slow.armed {
			t.Errorf("got %#v, %v", r, err)
		}
	}
}

// slowKey lets something happen before it gives its key.
type slowKey struct {
	KeySource
	before func()
	armed  bool
}

func (k *slowKey) Key(ctx context.Context, create bool) ([32]byte, error) {
	if k.armed {
		k.armed = false
		k.before()
	}
	return k.KeySource.Key(ctx, create)
}

// Many processes that change the key at once do it one after the other.
func TestRekeyAtOnce(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	s := openState(t, state, lib)
	fill(t, s)
	done := make(chan error)
	const many = 6
	for i := range many {
		other := openState(t, state, lib)
		go func() {
			if i%2 == 0 {
				done <- other.Rekey(t.Context())
				return
			}
			source, _ := ParseSource(state, "keyring")
			done <- other.Move(t.Context(), source)
		}()
	}
	for range many {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	requireSettled(t, s, nil)
	requireReadable(t, state, lib, manyAccounts...)
	if len(lib.texts()) != 1 {
		t.Errorf("%d keys are in the keyring", len(lib.texts()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Rekey(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
