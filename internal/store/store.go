// Package store keeps one record per account: settings, hashes of local passwords, tokens, and the last
// failure. It guarantees that a record on disk is always a whole one, old or new, that two processes never
// overwrite each other's change, and that a record which can not be read is never taken for an empty one.
//
// It knows nothing of OAuth, of configuration files or of mail. Package auth is its caller; cmd/postern
// opens it. Records are sealed with AES-256-GCM (NIST SP 800-38D).
package store

import (
	"context"
	"errors"
	"fmt"
)

// Store keeps records. All methods may be called by any goroutine, and account names compare without case.
type Store interface {
	// View returns a copy of the account's record; ErrNotFound, ErrDamaged, ErrWrongKey, ErrUnavailable.
	View(ctx context.Context, account string) (Record, error)

	// Update changes the account's record, exclusively across goroutines and processes. change gets the
	// record as it stands, or one with only Account set when there is none. When it returns nil the changed
	// record is written and durable before Update returns nil; an error of change is returned as it is and
	// nothing is written. Everything that can fail before change runs is tried before change runs, so that
	// change may use up something that exists only once, such as a refresh token. ctx bounds the wait for
	// the lock and for the key; once change has returned, the write is no longer cancelled.
	// change must not call the store for the same account.
	Update(ctx context.Context, account string, change func(*Record) error) error

	// Delete removes the account's record, readable or not; ErrNotFound.
	Delete(ctx context.Context, account string) error

	// List returns the accounts that have a record, sorted, readable or not. With an error it returns those
	// whose names it could find out.
	List(ctx context.Context) ([]string, error)

	// Close forgets the key. Every later call fails with ErrUnavailable.
	Close() error
}

var (
	// ErrNotFound says that the account has no record.
	ErrNotFound = errors.New("no record")
	// ErrDamaged says that there is a record or a key, but not one that can be read. It stays as it is.
	ErrDamaged = errors.New("damaged")
	// ErrWrongKey says that the record was sealed with another key than the present one. It stays as it is.
	ErrWrongKey = errors.New("sealed with another key")
	// ErrUnavailable says that the record or the key can not be reached: no permission, no space, an I/O
	// error, a locked keyring. It says nothing about what the record holds.
	ErrUnavailable = errors.New("not available")
)

// ErrNoKey says that a key source works and has no key. It is one of ErrUnavailable: what the records hold
// is as unknown as with a source that is out of reach.
var ErrNoKey error = noKey{}

type noKey struct{}

func (noKey) Error() string        { return ErrUnavailable.Error() }
func (noKey) Is(target error) bool { return target == ErrUnavailable }

// KeySource provides the key that seals the records.
type KeySource interface {
	// Key returns the key. Only with create may it make a new one: without, records may exist that a new
	// key could not open. The caller sees to it that no other process does the same meanwhile.
	// ErrUnavailable when the key is out of reach, ErrNoKey when there is none, ErrDamaged when it is
	// garbled; the errors name the place and the cure.
	Key(ctx context.Context, create bool) ([32]byte, error)
	// Describe says where the key is, for people: "key file /…/store.key".
	Describe() string
}

var errClosed = fmt.Errorf("store is closed: %w", ErrUnavailable)

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
