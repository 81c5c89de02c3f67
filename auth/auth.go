// Package auth holds the accounts: who may come in with which local password, and the access token that
// opens the mailbox upstream. It signs people in (browser with PKCE, device code) and apps (client
// credentials), renews tokens once for however many wait, and says of every failure what class it is, one
// plain sentence, and the cure.
//
// It keeps nothing itself: package internal/store has the records, and every change goes through
// store.Store.Update. It never talks to a mail server; package proxy does, and asks here. It does not read
// the configuration; cmd/postern hands it over.
//
// Followed: RFC 6749 (OAuth 2.0), 7636 (PKCE), 8252 and 9700 (native apps, security practice), 8628 (device
// grant), 7523 (certificate assertions), 7009 (revocation), and Microsoft's dialect of them.
package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/store"
)

// Options are what a Manager is made of.
type Options struct {
	Store       store.Store         // required; the Manager does not close it
	Providers   map[string]Provider // additions to BuiltIn; where a name is taken, non-empty fields override
	Declared    []Account           // accounts of the configuration; of Provider only Name is read
	Protocols   []string            // in use: "imap", "smtp", "pop3"; people are asked for their scopes. nil = all
	Log         *slog.Logger        // nil discards
	HTTPTimeout time.Duration       // for one request to a provider; 0 = 30 s
	Apart       Apart               // takes refreshes that no kill may interrupt; nil = all happen in this process
}

// Manager answers for all accounts. Its methods may be called by any goroutine. The zero value is of no use: New makes
// one, and who made it closes it.
type Manager struct {
	store    store.Store
	settings atomic.Pointer[settings]
	log      *slog.Logger
	endpoint *endpoint
	apart    Apart
	slow     chan struct{}   // one place per argon2 computation that may run at once
	open     context.Context // until Close
	shut     context.CancelCauseFunc

	refreshes refreshes
	unkept    chan struct{} // gets a value when the store has not taken how a refresh went

	mu      sync.Mutex // guards everything below
	live    map[string]*live
	ports   map[*BrowserSignIn]bool // open, also those whose sign-in is over
	closed  bool
	running sync.WaitGroup // grows only under mu, while closed is false
}

// settings is what the configuration says. It is replaced as a whole, never changed.
type settings struct {
	providers map[string]Provider
	declared  map[string]Account // by lower-cased address
	protocols []string           // in use; empty = all
	since     time.Time
}

// live is what this process knows of an account besides its record. Manager.mu guards it.
type live struct {
	flight    *flight        // the refresh under way
	unsaved   *unsaved       // tokens that the provider gave and the store did not take
	unwritten *unwritten     // why the store did not take how the last refresh went
	refused   *refused       // the last failure of this process
	browser   *BrowserSignIn // the sign-in under way
	claims    string         // what the provider wants to see at the next sign-in
	noNext    bool           // a refresh brought no refresh token
}

// New returns a Manager. Every mistake in the declared accounts and their providers is in the error, each as a
// *Problem of class Configuration.
func New(o Options) (*Manager, error) {
	if o.Store == nil {
		return nil, errors.New("auth: no store given")
	}
	open, shut := context.WithCancelCause(context.Background())
	m := &Manager{
		store:    o.Store,
		log:      o.Log,
		endpoint: newEndpoint(o.HTTPTimeout),
		apart:    o.Apart,
		slow:     make(chan struct{}, slowAtOnce),
		live:     map[string]*live{},
		ports:    map[*BrowserSignIn]bool{},
		unkept:   make(chan struct{}, 1),
		open:     open,
		shut:     shut,
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if err := m.Reconfigure(o.Providers, o.Declared, o.Protocols); err != nil {
		return nil, err
	}
	return m, nil
}

// Reconfigure replaces the providers, the declared accounts and the protocols by what a changed configuration
// says, for all that begins afterwards. With an error, which is that of New, nothing is replaced.
func (m *Manager) Reconfigure(providers map[string]Provider, declared []Account, protocols []string) error {
	s := &settings{providers: BuiltIn(), declared: map[string]Account{}, protocols: slices.Clone(protocols), since: time.Now()}
	for name, p := range providers {
		p.Name = name
		s.providers[name] = p.over(s.providers[name])
	}
	if err := s.declare(declared); err != nil {
		return err
	}
	m.settings.Store(s)
	return nil
}

// declare takes the accounts of the configuration.
func (s *settings) declare(accounts []Account) error {
	var mistakes []error
	for _, a := range accounts {
		err := checkAddress(a.Email)
		a.Email, a.Declared = addressKey(a.Email), true
		if err == nil {
			a, err = s.complete(a)
		}
		if err == nil && a.PasswordHash != "" {
			err = checkHash(a.PasswordHash)
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("account %s: %w", a.Email, err))
			continue
		}
		s.declared[a.Email] = a
	}
	slices.SortFunc(mistakes, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(mistakes...)
}

// Close ends the sign-ins that are under way, waits for the refreshes, writes what the store had not taken, and makes
// later ones fail. Safe to call twice.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	signIns := slices.Collect(maps.Keys(m.ports))
	m.mu.Unlock()
	m.shut(errClosed)
	for _, b := range signIns {
		b.Close()
	}
	m.running.Wait()
	m.saveLast()
	m.endpoint.close()
	return nil
}

var errClosed = errors.New("the account manager is closed")

// begin registers work that Close waits for. The caller calls m.running.Done when it is not an error.
func (m *Manager) begin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	m.running.Add(1)
	return nil
}

// whileOpen is ctx that also ends with the Manager.
func (m *Manager) whileOpen(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.open, func() { cancel(errClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// liveLocked returns the account's entry. The caller holds m.mu.
func (m *Manager) liveLocked(email string) *live {
	l := m.live[email]
	if l == nil {
		l = &live{}
		m.live[email] = l
	}
	return l
}

// workLimit ends what nobody may cancel: a refresh, the exchange of a code, the saving of tokens. It leaves
// room for another process that holds the account's lock for a request of its own.
const workLimit = 60 * time.Second

// unhurried is a context for work that outlives whoever asked for it.
func unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), workLimit, errWorkLimit)
}

var errWorkLimit = fmt.Errorf("no end within %v", workLimit)
