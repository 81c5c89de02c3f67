package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zalando/go-keyring"
)

const (
	// keyringLimit bounds every question to the keyring. The library takes no context and waits for D-Bus,
	// and for a person who has to unlock something, as long as it takes.
	keyringLimit = 3 * time.Second
	// keyringSlots is how many questions may be without an answer. Whoever asks leaves after keyringLimit,
	// but the question stays until the keyring answers or goes away.
	keyringSlots = 4
	// keyringService is what keyrings show the entries under.
	keyringService = "postern"
)

// KeyringKey is a key in the system's keyring, in the entry of this service and user: the Secret Service on
// Linux and BSD (gnome-keyring, KWallet, KeePassXC), the login keychain on macOS, the Credential Manager on
// Windows. The entry holds the 32 bytes in base64, which is far below what each of them can take.
//
// It protects the key while the user is not logged in. Once the keyring is unlocked every program of the
// user can read it: on Linux by design, on macOS because the entry belongs to /usr/bin/security, on Windows
// because credentials have no owner but the user. There a service that runs under an account without a
// loaded profile has no Credential Manager, and on macOS a login by SSH finds the keychain locked; both are
// ErrUnavailable, like a keyring that is locked, missing, or silent for 3 s.
//
// The keyring has no lock among processes: only OpenDir's stores may make a key in it.
func KeyringKey(service, user string) KeySource {
	return keyringKey{ring: newRing(), service: service, user: user}
}

type keyringKey struct {
	ring          *ring
	service, user string
}

func (k keyringKey) Describe() string {
	return fmt.Sprintf("keyring entry \"%s/%s\"", k.service, k.user)
}

// line implements place.
func (k keyringKey) line(string) string { return "keyring " + k.service + " " + k.user }

// another is an entry of its own for another key.
func (k keyringKey) another() keyringKey {
	k.user = newEntry()
	return k
}

// Key implements KeySource.
func (k keyringKey) Key(ctx context.Context, create bool) (key [32]byte, err error) {
	key, err = k.load(ctx)
	if create && errors.Is(err, ErrNoKey) {
		if err = k.fresh(ctx); err == nil {
			return k.load(ctx)
		}
	}
	return key, err
}

func (k keyringKey) load(ctx context.Context) (key [32]byte, err error) {
	text, err := k.ring.ask(ctx, func(l library) (string, error) { return l.Get(k.service, k.user) })
	if errors.Is(err, keyring.ErrNotFound) {
		return key, fmt.Errorf("%s is missing: %w, and there are records that only it can open; "+
			"bring the keyring back from a backup, or move the store away and sign in again", k.Describe(), ErrNoKey)
	}
	if err != nil {
		return key, fmt.Errorf("%s: %w", k.Describe(), err)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != len(key) {
		return key, fmt.Errorf("%s: %w: it should hold 32 bytes in base64; bring the keyring back from a backup", k.Describe(), ErrDamaged)
	}
	return [32]byte(b), nil
}

// fresh implements place.
func (k keyringKey) fresh(ctx context.Context) error {
	if err := vacant(ctx, k); err != nil {
		return err
	}
	key := newKey()
	_, err := k.ring.ask(ctx, func(l library) (string, error) {
		return "", l.Set(k.service, k.user, base64.StdEncoding.EncodeToString(key[:]))
	})
	if err != nil {
		return fmt.Errorf("%s: make it: %w", k.Describe(), err)
	}
	// What the keyring took is not yet what it gives back.
	if got, err := k.load(ctx); err != nil || got != key {
		return errors.Join(fmt.Errorf("%s: %w: it was written and can not be read back; choose another place for the key",
			k.Describe(), ErrUnavailable), err)
	}
	return nil
}

// remove implements place.
func (k keyringKey) remove(ctx context.Context) error {
	_, err := k.ring.ask(ctx, func(l library) (string, error) { return "", l.Delete(k.service, k.user) })
	if err == nil || errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("%s: %w", k.Describe(), err)
}

// library is what is used of go-keyring.
type library interface {
	Get(service, user string) (string, error)
	Set(service, user, password string) error
	Delete(service, user string) error
}

type systemKeyring struct{}

func (systemKeyring) Get(service, user string) (string, error) { return keyring.Get(service, user) }
func (systemKeyring) Set(service, user, text string) error     { return keyring.Set(service, user, text) }
func (systemKeyring) Delete(service, user string) error        { return keyring.Delete(service, user) }

// ring puts questions to the keyring, each with a time limit, and keeps from asking a person twice.
type ring struct {
	library library
	look    func(context.Context) (locked bool, err error) // whether a question would ask a person first
	slots   chan struct{}                                  // one for each question without an answer

	mu       sync.Mutex
	asking   bool // a question waits for somebody to unlock the keyring
	declined bool // and the last such question was refused; forgotten once the keyring is open
}

func newRing() *ring {
	return &ring{library: systemKeyring{}, look: lookAtKeyring, slots: make(chan struct{}, keyringSlots)}
}

type answer struct {
	text string
	err  error
}

// ask puts one question; keyring.ErrNotFound as it is, everything else is ErrUnavailable.
func (r *ring) ask(ctx context.Context, question func(library) (string, error)) (string, error) {
	limited, cancel := context.WithTimeout(ctx, keyringLimit)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
	case <-limited.Done():
		return "", r.late(ctx)
	}
	answers := make(chan answer, 1)
	go func() {
		defer func() { <-r.slots }()
		text, err := r.put(limited, question)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil && limited.Err() != nil { // that is how the question ended
			return "", r.late(ctx)
		}
		return a.text, a.err
	case <-limited.Done():
		return "", r.late(ctx)
	}
}

// put runs the question. ctx ends when nobody waits for the answer any more.
func (r *ring) put(ctx context.Context, question func(library) (string, error)) (text string, err error) {
	locked, err := r.look(ctx)
	if err != nil {
		return "", err
	}
	if err := r.enter(locked); err != nil {
		return "", err
	}
	defer func() {
		// The library dereferences what a D-Bus connection that breaks does not give it.
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the keyring's connection broke (%v); try again", ErrUnavailable, p)
		}
		r.leave(locked, err)
	}()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	text, err = question(r.library)
	switch {
	case err == nil, errors.Is(err, keyring.ErrNotFound):
		return text, err
	case locked:
		return "", fmt.Errorf("%w (%w)", errLocked, err)
	}
	return "", fmt.Errorf("%w: the keyring refused: %w; %s", ErrUnavailable, err, keyringCure)
}

var errLocked = fmt.Errorf("%w: the keyring is locked; %s", ErrUnavailable, keyringCure)

// enter notes that a question will ask somebody to unlock the keyring, which only one may at a time, and
// none once it was refused: the window would come back with every client that logs in.
func (r *ring) enter(locked bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !locked:
		r.declined = false
	case r.asking:
		return errAsking
	case r.declined:
		return errLocked
	default:
		r.asking = true
	}
	return nil
}

func (r *ring) leave(locked bool, err error) {
	if !locked {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asking, r.declined = false, err != nil && !errors.Is(err, keyring.ErrNotFound)
}

var errAsking = fmt.Errorf("%w: the keyring is locked; answer the window that asks for its password, then try again", ErrUnavailable)

// late says why there was no answer in time.
func (r *ring) late(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("ask the keyring: %w", ctx.Err())
	case r.asking:
		return errAsking
	}
	return fmt.Errorf("%w: the keyring gave no answer within %v; if a window asks for a password or for permission, answer it, "+
		"then try again", ErrUnavailable, keyringLimit)
}
