package auth

import (
	"context"
	"errors"
	"time"

	"postern/internal/store"
)

// States of an account.
const (
	StateReady         = "ready"
	StateSignInNeeded  = "sign-in needed"
	StateNeverSignedIn = "never signed in"
	StateSignedOut     = "signed out" // by a person
	StateTrouble       = "trouble"    // Problem tells
)

// IsSignedOut tells the states of an account that has no tokens. They are no trouble: a person signs in, or chose not to.
func IsSignedOut(state string) bool { return state == StateNeverSignedIn || state == StateSignedOut }

// AccountStatus is how an account stands.
type AccountStatus struct {
	Account     string
	Provider    string
	Flow        Flow
	Mailbox     string
	Declared    bool
	State       string    // one of the State constants
	SignedInAs  string    // as the provider named who signed in; "" when it did not
	SignedInAt  time.Time // zero when not signed in
	RefreshedAt time.Time // of the last refresh; zero when there was none since the sign-in
	TokenExpiry time.Time // of the access token; zero when not signed in
	Passwords   int       // local ones that are still good
	NotCovered  []string  // protocols in use for which the sign-in is not good
	Problem     *Problem  // the last failure; nil after a success
}

// Status tells how every account stands, sorted by address. A broken account shows its own trouble and keeps
// no other from being shown; the error, a *Problem, is for a store that can not be listed.
func (m *Manager) Status(ctx context.Context) ([]AccountStatus, error) {
	accounts, inPart, err := m.listed(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]AccountStatus, 0, len(accounts))
	for _, a := range accounts {
		s := m.status(ctx, a)
		if errors.Is(inPart, store.ErrAway) { // the tokens at hand serve to their end, and then nothing more
			s.State, s.Problem = StateTrouble, m.storeProblem(a.Email, inPart)
		}
		all = append(all, s)
	}
	return all, nil
}

func (m *Manager) status(ctx context.Context, a Account) AccountStatus {
	s := AccountStatus{
		Account: a.Email, Provider: a.Provider.Name, Flow: a.Flow, Mailbox: a.Mailbox, Declared: a.Declared,
	}
	rec, err := m.record(ctx, a.Email)
	if err == nil {
		s.fill(rec, time.Now())
		if a.PasswordHash != "" {
			s.Passwords++
		}
		if a, err = m.account(a.Email, rec); err == nil && rec.Token != nil {
			s.NotCovered = m.notCovered(a, handOut(rec.Token))
			if !a.owns(rec.Token) {
				s.State, s.Problem = StateSignInNeeded, newProblem("other-app", about{account: a})
			}
			if p := m.notWritten(a.Email, rec.Token); p != nil { // first, for no cure of the others could be kept
				s.State, s.Problem = StateTrouble, p
			}
		}
	}
	if err != nil {
		s.State = StateTrouble
		if p, ok := errors.AsType[*Problem](err); ok {
			s.Problem = p
		} else {
			s.Problem = m.storeProblem(a.Email, err)
		}
	}
	return s
}

func (m *Manager) notCovered(a Account, t Token) (protocols []string) {
	for _, p := range m.settings.Load().protocols {
		if problem, ok := errors.AsType[*Problem](a.Covers(p, t)); ok && problem.Class == SignIn {
			protocols = append(protocols, p)
		}
	}
	return protocols
}

func (s *AccountStatus) fill(rec store.Record, now time.Time) {
	for _, p := range rec.Passwords {
		if !isExpired(p, now) {
			s.Passwords++
		}
	}
	if rec.Problem != nil {
		s.Problem = problemOf(rec.Problem)
	}
	switch {
	case rec.Token == nil && rec.LoggedOut.IsZero():
		s.State = StateNeverSignedIn
	case rec.Token == nil:
		s.State = StateSignedOut
	case s.Problem == nil:
		s.State = StateReady
	case s.Problem.Class == SignIn:
		s.State = StateSignInNeeded
	default:
		s.State = StateTrouble
	}
	if t := rec.Token; t != nil {
		s.SignedInAs, s.SignedInAt, s.RefreshedAt, s.TokenExpiry = t.SignedInAs, t.SignedInAt, t.RefreshedAt, t.Expiry
	}
}
