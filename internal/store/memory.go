package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// NewMemory returns a Store that forgets everything at the end of the process, for `postern demo` and tests.
func NewMemory() Store {
	return &memory{records: map[string]Record{}}
}

type memory struct {
	locks   accountLocks
	mu      sync.Mutex
	records map[string]Record // nil once closed
}

func (m *memory) get(account string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		return Record{}, errClosed
	}
	r, ok := m.records[account]
	if !ok {
		return Record{}, fmt.Errorf("%s: %w", account, ErrNotFound)
	}
	return r.clone(), nil
}

func (m *memory) View(ctx context.Context, account string) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	account, err := accountName(account)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", err, ErrNotFound)
	}
	return m.get(account)
}

func (m *memory) Update(ctx context.Context, account string, change func(*Record) error) error {
	account, err := accountName(account)
	if err != nil {
		return err
	}
	unlock, err := m.locks.lock(ctx, account)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := m.get(account)
	switch {
	case isNotFound(err):
		r = Record{Account: account}
	case err != nil:
		return err
	}
	if err := change(&r); err != nil {
		return err
	}
	r.Account = account
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		return errClosed
	}
	m.records[account] = r.clone()
	return nil
}

func (m *memory) Delete(ctx context.Context, account string) error {
	account, err := accountName(account)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrNotFound)
	}
	unlock, err := m.locks.lock(ctx, account)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := m.get(account); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, account)
	return nil
}

func (m *memory) List(ctx context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		return nil, errClosed
	}
	return slices.Sorted(maps.Keys(m.records)), ctx.Err()
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = nil
	return nil
}
