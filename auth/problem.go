package auth

import (
	"time"

	"postern/internal/store"
)

// Class says what helps against a failure.
type Class int

// The classes of failures.
const (
	Retry         Class = iota + 1 // it passes; nothing to do but wait
	Refresh                        // another access token may be accepted
	SignIn                         // a person must sign in
	Admin                          // the organisation's administrator must act
	Configuration                  // a setting is wrong, here or in the app registration
)

var classNames = map[Class]string{
	Retry: "retry", Refresh: "refresh", SignIn: "sign-in", Admin: "admin", Configuration: "configuration",
}

// String returns "retry", "refresh", "sign-in", "admin" or "configuration", and "" for the zero value.
func (c Class) String() string { return classNames[c] }

func parseClass(s string) Class {
	for c, name := range classNames {
		if name == s {
			return c
		}
	}
	return Retry
}

// Problem is the error type of everything that can go wrong between here and the mailbox. Find it with
// errors.AsType[*auth.Problem]. No field ever holds a secret.
type Problem struct {
	Class   Class
	Code    string    // for searching: "AADSTS700082", "invalid_grant", "network", "http-503", "not-connected"
	Say     string    // one plain sentence, without a capital and a full stop, to stand after "ann@example.com: "
	Cure    string    // what to do, a command where there is one
	RetryAt time.Time // not asked again before; zero = any time
	Detail  string    // the provider's own trace, correlation and time, for the log
	Err     error     // what was behind it, nil when there is nothing more to know

	found      *row          // what Explain found, for For; nil from elsewhere
	pause      time.Duration // at least so long before the next attempt
	retryAfter time.Duration // what the provider itself asked for; 0 = nothing
}

// Error returns the sentence and the code.
func (p *Problem) Error() string {
	if p.Code == "" {
		return p.Say
	}
	return p.Say + " (" + p.Code + ")"
}

// Unwrap returns Err.
func (p *Problem) Unwrap() error { return p.Err }

// For names the account in the sentence and the cure of a Problem that Explain has made; others know theirs.
func (p *Problem) For(a Account) {
	if p.found != nil {
		p.Say, p.Cure = about{account: a}.fill(p.found.say), about{account: a}.fill(p.found.cure)
	}
}

// Paused is the problem of an account whose Postern a person has paused; proxy gives it to those who come.
func Paused() *Problem { return newProblem("paused", about{}) }

// stored is the form in which a record keeps the problem.
func (p *Problem) stored(at time.Time) *store.Problem {
	return &store.Problem{Class: p.Class.String(), Code: p.Code, Say: p.Say, Cure: p.Cure, At: at, RetryAt: p.RetryAt}
}

func problemOf(p *store.Problem) *Problem {
	return &Problem{Class: parseClass(p.Class), Code: p.Code, Say: p.Say, Cure: p.Cure, RetryAt: p.RetryAt}
}
