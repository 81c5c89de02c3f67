package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/store"
)

// ErrWrongPassword says that no account has that user name and local password. It does not say which of the two
// is wrong.
var ErrWrongPassword = errors.New("wrong user name or password")

// ErrWhichPassword means that an id or a label names no one local password.
var ErrWhichPassword = errors.New("which local password")

// Login is what a local password opens.
type Login struct {
	Account            Account
	PasswordID         string    // "" when the configuration declares the password
	Label              string    // of the password
	ReadOnly, SendOnly bool      // what the password is limited to
	Expires            time.Time // of the password; zero = never
}

// NewPassword asks for a local password.
type NewPassword struct {
	Label              string    // which program it is for; "" = "mail client"
	ReadOnly, SendOnly bool      // not both
	Expires            time.Time // zero = never
	Chosen             Secret    // zero = generate one of 128 bits
}

// PasswordInfo is what can be shown of a local password.
type PasswordInfo struct {
	ID                 string // short, and the same for the password's whole life
	Label              string
	ReadOnly, SendOnly bool
	Created            time.Time
	Expires            time.Time // zero = never
}

const (
	usualLabel    = "mail client"
	mostLabel     = 100
	declaredLabel = "configuration" // of the password_hash
)

func infoOf(p store.Password) PasswordInfo {
	return PasswordInfo{ID: p.ID, Label: p.Label, ReadOnly: p.ReadOnly, SendOnly: p.SendOnly, Created: p.Created, Expires: p.Expires}
}

func isExpired(p store.Password, now time.Time) bool {
	return !p.Expires.IsZero() && !now.Round(0).Before(p.Expires.Round(0))
}

// CheckPassword finds the account that user, its address in any case, and password open. ErrWrongPassword, after
// the same work whether the account, the password or its time is wrong; a *Problem when the account can not be
// read; the cause of ctx.
func (m *Manager) CheckPassword(ctx context.Context, user string, password Secret) (Login, error) {
	email := addressKey(user)
	rec, err := m.record(ctx, email)
	unknown := errors.Is(err, ErrUnknownAccount)
	if err != nil && !unknown {
		return Login{}, err
	}
	found, err := m.match(ctx, m.candidates(email, rec), password)
	switch {
	case err != nil:
		return Login{}, err
	case unknown || found == nil:
		return Login{}, ErrWrongPassword
	case isExpired(*found, time.Now()):
		m.log.Warn("password expired", "account", email, "password", found.Label, "audit", true)
		return Login{}, ErrWrongPassword
	}
	account, err := m.account(email, rec)
	if err != nil {
		return Login{}, err
	}
	return Login{Account: account, PasswordID: found.ID, Label: found.Label, ReadOnly: found.ReadOnly, SendOnly: found.SendOnly,
		Expires: found.Expires}, nil
}

// candidates are the passwords that could be meant; those still good come first, so that one that was made
// twice does not fail by the first one's end.
func (m *Manager) candidates(email string, rec store.Record) []store.Password {
	all := rec.Passwords
	if a := m.settings.Load().declared[email]; a.PasswordHash != "" {
		all = append([]store.Password{{Label: declaredLabel, Hash: a.PasswordHash}}, all...)
	}
	now := time.Now()
	slices.SortStableFunc(all, func(a, b store.Password) int {
		switch x, y := isExpired(a, now), isExpired(b, now); {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	return all
}

// AddPassword makes a local password for an account and returns it, for the only time. ErrUnknownAccount; a
// *Problem when the store fails; otherwise the error says what is wrong with the request.
func (m *Manager) AddPassword(ctx context.Context, email string, n NewPassword) (Secret, PasswordInfo, error) {
	email = addressKey(email)
	if _, err := m.record(ctx, email); err != nil {
		return Secret{}, PasswordInfo{}, err
	}
	p, err := n.describe(time.Now().Round(0))
	if err != nil {
		return Secret{}, PasswordInfo{}, err
	}
	if err := m.takeTurn(ctx); err != nil {
		return Secret{}, PasswordInfo{}, err
	}
	password, hash, err := HashPassword(email, n.Chosen)
	m.giveTurn()
	if err != nil {
		return Secret{}, PasswordInfo{}, err
	}
	p.Hash = hash
	err = m.update(ctx, email, func(r *store.Record) error {
		if _, declared := m.settings.Load().declared[email]; !declared && r.Settings == nil {
			return unknownAccount(email)
		}
		p.ID = freeID(r.Passwords)
		r.Passwords = append(r.Passwords, p)
		return nil
	})
	if err != nil {
		return Secret{}, PasswordInfo{}, err
	}
	m.log.Info("password added", "account", email, "password", p.Label, "id", p.ID, "audit", true)
	return password, infoOf(p), nil
}

// describe checks everything but the password itself.
func (n NewPassword) describe(now time.Time) (store.Password, error) {
	label := printable(n.Label, mostLabel)
	switch {
	case n.ReadOnly && n.SendOnly:
		return store.Password{}, errors.New("a password that may only read can not be one that may only send")
	case !n.Expires.IsZero() && !n.Expires.After(now):
		return store.Password{}, fmt.Errorf("expiry %s: it is over already", n.Expires.Format(time.DateTime))
	case label == "":
		label = usualLabel
	}
	return store.Password{Label: label, ReadOnly: n.ReadOnly, SendOnly: n.SendOnly, Created: now, Expires: n.Expires.Round(0)}, nil
}

// freeID makes an id that no other password of the account has.
func freeID(others []store.Password) string {
	for {
		id := strings.ToLower(rand.Text()[:6])
		if !slices.ContainsFunc(others, func(p store.Password) bool { return p.ID == id || strings.EqualFold(p.Label, id) }) {
			return id
		}
	}
}

// generate makes a password of 130 bits. It is typed as it is shown: lower case, hyphens included; with 30
// characters it fits into the 32 that some printers keep.
func generate() Secret {
	s := strings.ToLower(rand.Text())
	return NewSecret(s[:6] + "-" + s[6:11] + "-" + s[11:16] + "-" + s[16:21] + "-" + s[21:])
}

// Passwords lists an account's local passwords, the oldest first, expired ones too; the one that the
// configuration may declare is not among them. Errors are those of Account.
func (m *Manager) Passwords(ctx context.Context, email string) ([]PasswordInfo, error) {
	rec, err := m.record(ctx, addressKey(email))
	if err != nil {
		return nil, err
	}
	all := make([]PasswordInfo, 0, len(rec.Passwords))
	for _, p := range rec.Passwords {
		all = append(all, infoOf(p))
	}
	return all, nil
}

// RevokePassword takes a local password back; it is named by its ID, or by its label when no other has the same.
// It returns what it took; sessions that it has opened go on until proxy.Server.EndPassword. ErrUnknownAccount; a
// *Problem when the store fails; otherwise the error says that no password, or more than one, has that name.
func (m *Manager) RevokePassword(ctx context.Context, email, idOrLabel string) (PasswordInfo, error) {
	email = addressKey(email)
	if _, err := m.record(ctx, email); err != nil {
		return PasswordInfo{}, err
	}
	var was store.Password
	err := m.update(ctx, email, func(r *store.Record) error {
		i, err := findPassword(r.Passwords, idOrLabel)
		if err != nil {
			return err
		}
		was = r.Passwords[i]
		r.Passwords = slices.Delete(r.Passwords, i, i+1)
		return nil
	})
	if err != nil {
		return PasswordInfo{}, err
	}
	m.log.Info("password revoked", "account", email, "password", was.Label, "id", was.ID, "audit", true)
	return infoOf(was), nil
}

func findPassword(all []store.Password, idOrLabel string) (int, error) {
	if i := slices.IndexFunc(all, func(p store.Password) bool { return p.ID == strings.ToLower(idOrLabel) }); i >= 0 {
		return i, nil
	}
	found := -1
	for i, p := range all {
		switch {
		case p.Label != idOrLabel:
		case found >= 0:
			return 0, fmt.Errorf("%w: several have the label %q", ErrWhichPassword, idOrLabel)
		default:
			found = i
		}
	}
	if found < 0 {
		return 0, fmt.Errorf("%w: none has the id or the label %q", ErrWhichPassword, idOrLabel)
	}
	return found, nil
}
