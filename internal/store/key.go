package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
)

// ErrKey marks errors of the key, which are not about the record that could not be opened. They also are one of the
// others.
var ErrKey = errors.New("the key of the store")

// keyHolder asks the source for the key when it is needed and keeps it.
type keyHolder struct {
	source KeySource
	turn   chan struct{} // full while somebody asks the source
	asked  func()        // called after the source gave its key; nil = nothing to do

	mu     sync.Mutex
	have   *sealer // nil until the source had a key
	before *sealer // nil unless an unfinished change of keys needed the one before
	closed bool
}

// earlier is a source that changes its key: until every record is sealed with the new one, some need the
// one before.
type earlier interface {
	// Before returns that key; ErrNoKey when no change is under way.
	Before(ctx context.Context) ([32]byte, error)
}

// get returns the key's sealer. With fresh it asks the source even when it has a key. create makes the first
// key; nil where there must be one.
func (k *keyHolder) get(ctx context.Context, fresh bool, create func(context.Context) ([32]byte, error)) (*sealer, error) {
	if s, _ := k.held(); s != nil && !fresh {
		return s, nil
	}
	leave, err := k.takeTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if s, _ := k.held(); s != nil && !fresh {
		return s, nil
	}
	key, err := k.source.Key(ctx, false)
	if errors.Is(err, ErrNoKey) && create != nil {
		key, err = create(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	s := newSealer(key)
	if err := k.keep(&k.have, s); err != nil {
		return nil, err
	}
	if k.asked != nil {
		k.asked()
	}
	return s, nil
}

// getBefore asks the source for the key before the present one; nil when there is none.
func (k *keyHolder) getBefore(ctx context.Context) (*sealer, error) {
	source, ok := k.source.(earlier)
	if !ok {
		return nil, nil
	}
	leave, err := k.takeTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var s *sealer
	switch key, err := source.Before(ctx); {
	case err == nil:
		s = newSealer(key)
	case !errors.Is(err, ErrNoKey):
		return nil, fmt.Errorf("%w: the one before it: %w", ErrKey, err)
	}
	return s, k.keep(&k.before, s)
}

func (k *keyHolder) keep(where **sealer, s *sealer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return errClosed
	}
	*where = s
	return nil
}

func (k *keyHolder) takeTurn(ctx context.Context) (leave func(), err error) {
	select {
	case k.turn <- struct{}{}:
		return func() { <-k.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrKey, ctx.Err())
	}
}

func (k *keyHolder) held() (have, before *sealer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.have, k.before
}

func (k *keyHolder) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.have, k.before, k.closed = nil, nil, true
}

func newKey() (key [32]byte) {
	rand.Read(key[:])
	return key
}
