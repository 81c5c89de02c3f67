package control

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"postern/auth"
	"postern/proxy"
)

// Status is what `postern status --json` prints. Times are RFC 3339; absent ones are unknown or do not apply.
type Status struct {
	Running   bool       `json:"running"` // false: read from the store, no daemon answered
	Version   string     `json:"version"`
	PID       int        `json:"pid,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Paused    *time.Time `json:"paused_since,omitempty"` // absent: mail programs are let in
	Listeners []Listener `json:"listeners,omitempty"`
	Key       string     `json:"key"` // where the key that protects the tokens is
	Accounts  []Account  `json:"accounts"`
}

// Account is one account in a Status.
type Account struct {
	Account     string              `json:"account"`
	Provider    string              `json:"provider"`
	State       string              `json:"state"` // one of auth's State constants
	SignedInAs  string              `json:"signed_in_as,omitempty"`
	TokenExpiry *time.Time          `json:"token_expiry,omitempty"`
	Passwords   int                 `json:"passwords"`             // local ones that are still good
	NotCovered  []string            `json:"not_covered,omitempty"` // protocols that need a new sign-in
	Throttled   []Throttle          `json:"throttled,omitempty"`   // protocols whose server has asked for a pause
	Unopened    []Unopened          `json:"unopened,omitempty"`    // protocols by which the mailbox did not open when it was last wanted
	Sessions    []proxy.SessionInfo `json:"sessions"`
	Problem     *Problem            `json:"problem,omitempty"`
}

// Throttle is a pause that a mailbox's server has asked for; until it is over, mail clients are sent away.
type Throttle struct {
	Protocol string    `json:"protocol"`
	Until    time.Time `json:"until"`
	Said     string    `json:"said"` // the server's words
}

// Unopened is why a mailbox did not open when a mail client last wanted it.
type Unopened struct {
	Protocol string    `json:"protocol"`
	At       time.Time `json:"at"`
	Problem
}

// Ready says whether mail clients get in: the account is signed in, and nothing keeps its mailbox shut.
func (a Account) Ready() bool { return a.State == auth.StateReady && a.KeptShut() == nil }

// KeptShut is what keeps the mailbox shut until a person does something; nil for nothing.
func (a Account) KeptShut() *Unopened {
	i := slices.IndexFunc(a.Unopened, func(u Unopened) bool { return u.NeedsPerson() })
	if i < 0 {
		return nil
	}
	return &a.Unopened[i]
}

// Problem is the last thing that went wrong with an account, and its cure.
type Problem struct {
	Class   string     `json:"class"` // auth.Class as text
	Code    string     `json:"code"`  // for searching; docs/errors.md has them
	Say     string     `json:"say"`
	Cure    string     `json:"cure,omitempty"`
	RetryAt *time.Time `json:"retry_at,omitempty"`
}

// NeedsPerson says whether only a person ends the problem.
func (p Problem) NeedsPerson() bool {
	return slices.Contains([]string{auth.SignIn.String(), auth.Admin.String(), auth.Configuration.String()}, p.Class)
}

// ListAccounts joins the accounts with the sessions that belong to them; it also serves when no daemon runs.
func ListAccounts(states []auth.AccountStatus, sessions []proxy.SessionInfo) []Account {
	accounts := make([]Account, 0, len(states))
	for _, st := range states {
		a := Account{
			Account: st.Account, Provider: st.Provider, State: st.State, SignedInAs: st.SignedInAs,
			TokenExpiry: known(st.TokenExpiry), Passwords: st.Passwords, NotCovered: st.NotCovered, Sessions: []proxy.SessionInfo{},
		}
		if st.Problem != nil {
			a.Problem = new(problemOf(st.Problem))
		}
		for _, ses := range sessions {
			if strings.EqualFold(ses.Account, st.Account) {
				a.Sessions = append(a.Sessions, ses)
			}
		}
		accounts = append(accounts, a)
	}
	return accounts
}

func problemOf(p *auth.Problem) Problem {
	return Problem{Class: p.Class.String(), Code: p.Code, Say: p.Say, Cure: p.Cure, RetryAt: known(p.RetryAt)}
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s *Server) status(ctx context.Context) (Status, error) {
	states, err := s.Accounts.Status(ctx)
	if err != nil {
		return Status{}, err
	}
	var key string
	if s.Key != nil {
		key = s.Key()
	}
	accounts, stats := ListAccounts(states, s.Sessions.Sessions()), s.Sessions.Stats()
	for i, st := range states {
		accounts[i].Throttled = throttlesOf(st, stats.Throttled)
		accounts[i].Unopened = unopenedOf(st, stats.Troubles)
	}
	return Status{
		Running: true, Version: s.Version, PID: os.Getpid(), Started: known(s.Started), Paused: known(s.Sessions.PausedSince()), Listeners: s.Listeners(), Key: key,
		Accounts: accounts,
	}, nil
}

func throttlesOf(st auth.AccountStatus, all []proxy.Throttle) (of []Throttle) {
	for _, t := range all {
		if t.Provider == st.Provider && strings.EqualFold(t.Mailbox, st.Mailbox) {
			of = append(of, Throttle{Protocol: t.Protocol, Until: t.Until, Said: t.Said})
		}
	}
	slices.SortFunc(of, func(a, b Throttle) int { return strings.Compare(a.Protocol, b.Protocol) })
	return of
}

// unopenedOf leaves out what was before the last sign-in, which may have mended it, and what the account's own
// problem says already.
func unopenedOf(st auth.AccountStatus, all []proxy.Trouble) (of []Unopened) {
	for _, t := range all {
		said := st.Problem != nil && st.Problem.Code == t.Problem.Code
		if t.Account == st.Account && !auth.IsSignedOut(st.State) && t.At.After(st.SignedInAt) && !said {
			of = append(of, Unopened{Protocol: t.Protocol, At: t.At, Problem: problemOf(t.Problem)})
		}
	}
	slices.SortFunc(of, func(a, b Unopened) int { return strings.Compare(a.Protocol, b.Protocol) })
	return of
}
