package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postern/internal/store"
)

// Flow is how an account signs in.
type Flow string

// The flows. The empty one stands for FlowBrowser.
const (
	FlowBrowser           Flow = "browser"            // RFC 6749 section 4.1 with PKCE
	FlowDevice            Flow = "device"             // RFC 8628
	FlowClientCredentials Flow = "client-credentials" // RFC 6749 section 4.4: an app by itself, no person
)

// Account is a mailbox and the way to its token. As the Manager returns it, every field has its value.
type Account struct {
	Email    string // the account's name, lower-cased, and what mail clients log in with
	Provider Provider
	ClientID string // of the app registration
	Tenant   string // default the provider's
	Flow     Flow   // default FlowBrowser
	// Files that prove the app: a secret, or a PEM certificate with its key. All may be empty for a public client.
	ClientSecretFile, ClientCertificate, ClientKey string
	Mailbox                                        string // the user that is named upstream; default Email
	SignInAs                                       string // who signs in; default Email
	PasswordHash                                   string // a local password that the configuration declares
	Declared                                       bool   // it is the configuration's and can not be removed by command
}

// ErrUnknownAccount says that there is no such account.
var ErrUnknownAccount = errors.New("unknown account")

func unknownAccount(email string) error { return fmt.Errorf("%s: %w", email, ErrUnknownAccount) }

// addressKey is the form in which addresses are compared and stored.
func addressKey(email string) string { return strings.ToLower(email) }

// checkAddress refuses what can not be an account's name. RFC 5321 section 4.5.3.1.3 allows 254 bytes.
func checkAddress(email string) error {
	local, domain, ok := strings.Cut(email, "@")
	// Bytes that are no UTF-8 come as RuneError; lower-casing would make all of them one.
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError }
	if !ok || local == "" || domain == "" || len(email) > 254 || strings.ContainsFunc(email, bad) {
		return newProblem("address", about{detail: fmt.Sprintf("%q", email)})
	}
	return nil
}

// complete fills in what an account leaves to its provider, and checks it. The error is a *Problem.
func (m *Manager) complete(a Account) (Account, error) { return m.settings.Load().complete(a) }

func (s *settings) complete(a Account) (Account, error) {
	if a.Provider.Name == "" {
		a.Provider.Name = ProviderFor(a.Email)
	}
	p, ok := s.providers[a.Provider.Name]
	if !ok {
		return a, newProblem("provider", about{account: a, detail: fmt.Sprintf("%q", a.Provider.Name)})
	}
	a.Provider = p.onlyFor(s.protocols)
	defaults := []struct {
		to   *string
		from string
	}{{&a.Tenant, p.Tenant}, {&a.Mailbox, a.Email}, {&a.SignInAs, a.Email}, {(*string)(&a.Flow), string(FlowBrowser)}}
	for _, d := range defaults {
		if *d.to == "" {
			*d.to = d.from
		}
	}
	if err := p.check(); err != nil {
		return a, err
	}
	return a, a.check()
}

func (a Account) check() error {
	switch {
	case !slices.Contains([]Flow{FlowBrowser, FlowDevice, FlowClientCredentials}, a.Flow):
		return newProblem("flow", about{account: a, detail: fmt.Sprintf("%q", a.Flow)})
	case strings.ContainsFunc(a.Tenant, notTenant):
		return newProblem("tenant", about{account: a, detail: fmt.Sprintf("%q", a.Tenant)})
	case a.ClientSecretFile != "" && a.ClientCertificate != "", (a.ClientCertificate == "") != (a.ClientKey == ""):
		return newProblem("app-proof", about{account: a})
	}
	if a.Flow == FlowClientCredentials {
		return a.checkApp()
	}
	return nil
}

// A tenant is a GUID, a domain, or one of Microsoft's words for several of them.
func notTenant(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-')
}

// at puts the tenant into one of the provider's endpoints.
func (a Account) at(endpoint string) string {
	return strings.ReplaceAll(endpoint, "{tenant}", a.Tenant)
}

// record reads an account's record; one that only the configuration knows may have none yet. ErrUnknownAccount,
// or a *Problem when the store can not be read.
func (m *Manager) record(ctx context.Context, email string) (store.Record, error) {
	rec, err := m.store.View(ctx, email)
	_, declared := m.settings.Load().declared[email]
	switch {
	case errors.Is(err, store.ErrNotFound) && declared:
		return store.Record{Account: email}, nil
	case errors.Is(err, store.ErrNotFound), err == nil && !declared && rec.Settings == nil:
		return store.Record{}, unknownAccount(email)
	case ctx.Err() != nil:
		return store.Record{}, fmt.Errorf("%s: %w", email, context.Cause(ctx))
	case err != nil:
		return store.Record{}, m.storeProblem(email, err)
	}
	return rec, nil
}

// account is the account that a record belongs to. The error is a *Problem.
func (m *Manager) account(email string, rec store.Record) (Account, error) {
	if a, ok := m.settings.Load().declared[email]; ok {
		return a, nil
	}
	s := rec.Settings
	return m.complete(Account{
		Email: email, Provider: Provider{Name: s.Provider}, ClientID: s.ClientID, Tenant: s.Tenant, Flow: Flow(s.Flow),
		ClientSecretFile: s.ClientSecretFile, ClientCertificate: s.ClientCertificate, ClientKey: s.ClientKey,
		Mailbox: s.Mailbox, SignInAs: s.SignInAs,
	})
}

// Account returns the account with that address, which compares without case. ErrUnknownAccount; a *Problem
// when the store can not be read or, with what is known of the account, when its settings are wrong.
func (m *Manager) Account(ctx context.Context, email string) (Account, error) {
	email = addressKey(email)
	rec, err := m.record(ctx, email)
	if err != nil {
		return Account{}, err
	}
	return m.account(email, rec)
}

// addresses lists the accounts of the configuration and of the store, sorted. With an error it returns those
// that it could find out.
func (m *Manager) addresses(ctx context.Context) ([]string, error) {
	all, err := m.store.List(ctx)
	for email := range m.settings.Load().declared {
		all = append(all, email)
	}
	slices.Sort(all)
	return slices.Compact(all), err
}

// Accounts returns all accounts, sorted by address. One whose record or settings are broken is among them, as
// far as it is known: only the use of that account fails. The error tells that the store can not be listed.
func (m *Manager) Accounts(ctx context.Context) ([]Account, error) {
	accounts, _, err := m.listed(ctx)
	return accounts, err
}

// listed is Accounts, and what kept the store from listing all of them.
func (m *Manager) listed(ctx context.Context) (accounts []Account, inPart, err error) {
	addresses, inPart := m.addresses(ctx)
	switch {
	case inPart != nil && len(addresses) == 0:
		return nil, inPart, m.storeProblem("", inPart)
	case inPart != nil && !errors.Is(inPart, store.ErrAway): // which every account says of itself
		m.log.Warn("store listed in part", "err", inPart)
	}
	for _, email := range addresses {
		a, err := m.Account(ctx, email)
		if errors.Is(err, ErrUnknownAccount) {
			continue // what is left of an account that the configuration declared once
		}
		a.Email = email
		accounts = append(accounts, a)
	}
	return accounts, inPart, nil
}

// AddAccount stores an account's settings; of a.Provider only Name is read, and "" is found by the address.
// For an account that was added before it changes the settings and keeps passwords and tokens, but it does
// not carry the tokens of one app or provider to another: log out first. The error is a *Problem.
func (m *Manager) AddAccount(ctx context.Context, a Account) error {
	a, full, err := m.addable(a)
	if err != nil {
		return err
	}
	settings := store.Settings{
		Provider: full.Provider.Name, ClientID: a.ClientID, Tenant: a.Tenant, Flow: string(full.Flow),
		ClientSecretFile: a.ClientSecretFile, ClientCertificate: a.ClientCertificate, ClientKey: a.ClientKey,
		Mailbox: a.Mailbox, SignInAs: a.SignInAs, Created: time.Now().Round(0),
	}
	event := "account added"
	err = m.update(ctx, a.Email, func(r *store.Record) error {
		if old := r.Settings; old != nil {
			if r.Token != nil && (old.Provider != settings.Provider || old.ClientID != settings.ClientID) {
				return newProblem("signed-in", about{account: full})
			}
			settings.Created, event = old.Created, "account changed"
		}
		r.Settings = &settings
		return nil
	})
	if err == nil {
		m.log.Info(event, "account", a.Email, "provider", full.Provider.Name, "audit", true)
	}
	return err
}

// CheckAccount returns what AddAccount would say of the account itself. It touches nothing.
func (m *Manager) CheckAccount(a Account) error {
	_, _, err := m.addable(a)
	return err
}

// addable returns the account under its own name, and with all that it leaves to its provider. The error is a
// *Problem.
func (m *Manager) addable(a Account) (own, full Account, err error) {
	a.Email = strings.TrimSpace(a.Email)
	if err := checkAddress(a.Email); err != nil {
		return a, a, err
	}
	a.Email = addressKey(a.Email)
	if _, declared := m.settings.Load().declared[a.Email]; declared {
		return a, a, newProblem("declared", about{account: a})
	}
	full, err = m.complete(a)
	return a, full, err
}

// RemoveAccount removes an account that was added by command, with its tokens and local passwords, or what is
// left of one that the configuration declared once. ErrUnknownAccount; otherwise a *Problem.
func (m *Manager) RemoveAccount(ctx context.Context, email string) error {
	email = addressKey(email)
	if a, declared := m.settings.Load().declared[email]; declared {
		return newProblem("declared", about{account: a})
	}
	rec, viewErr := m.store.View(ctx, email)
	err := m.store.Delete(ctx, email)
	if errors.Is(err, store.ErrNotFound) {
		return unknownAccount(email)
	}
	if err != nil {
		return m.storeProblem(email, err)
	}
	m.endSignIn(email)
	m.forget(email)
	m.log.Info("account removed", "account", email, "audit", true)
	if viewErr == nil && rec.Settings != nil {
		if a, err := m.account(email, rec); err == nil {
			m.revoke(ctx, a, rec.Token)
		}
	}
	return nil
}

// forget drops what this process knows of an account's tokens and failures.
func (m *Manager) forget(email string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.live[email]; l != nil {
		l.unsaved, l.unwritten, l.refused, l.claims = nil, nil, nil, ""
	}
}

// endSignIn ends the sign-in that may be under way.
func (m *Manager) endSignIn(email string) {
	m.mu.Lock()
	var b *BrowserSignIn
	if l := m.live[email]; l != nil {
		b = l.browser
	}
	m.mu.Unlock()
	if b != nil {
		b.Close()
	}
}

// update is store.Update with errors that a person can act on. Those of change come back as they are.
func (m *Manager) update(ctx context.Context, email string, change func(*store.Record) error) error {
	var own error
	err := m.store.Update(ctx, email, func(r *store.Record) error {
		own = change(r)
		return own
	})
	switch {
	case err == nil, own != nil:
		return own
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", email, context.Cause(ctx))
	}
	return m.storeProblem(email, err)
}

// storeProblem is a trouble of the store: it passes when the store can not be reached, and needs a person's
// hand when its content can not be read. Neither says anything about the sign-in.
func (m *Manager) storeProblem(email string, err error) *Problem {
	detail, cure := cutLast(err.Error(), "; ") // the store's errors end with their cure
	key := "store"
	if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrWrongKey) {
		key = "store-damaged"
		_, declared := m.settings.Load().declared[email]
		if !declared && email != "" && !errors.Is(err, store.ErrKey) {
			cure = "" // the settings of this account are lost with its record; a sign-in alone does not bring it back
		}
	}
	p := newProblem(key, about{account: Account{Email: email}, detail: detail})
	if cure != "" {
		p.Cure = cure
	}
	p.Err = err
	p.schedule(nil, time.Now())
	return p
}

func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return s, ""
}
