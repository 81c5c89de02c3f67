package auth

import (
	"math/rand/v2"
	"time"

	"postern/internal/store"
)

// refused is the last failure of this process to refresh an account's token.
type refused struct {
	problem store.Problem
	refresh Secret // what the account had after it
	written bool   // the record has the problem too
}

// holdOff is how long the provider is left alone after a failure: first after one, doubled with each further
// one up to most.
type holdOff struct{ first, most time.Duration }

// Microsoft's own library leaves a question that needs a person alone for two minutes; a wrong setting is
// often mended at once, and by somebody who waits.
var (
	holdRetry         = holdOff{5 * time.Second, 5 * time.Minute}
	holdSignIn        = holdOff{2 * time.Minute, time.Hour}
	holdConfiguration = holdOff{time.Minute, 5 * time.Minute}
)

func holdOffOf(c Class) holdOff {
	switch c {
	case SignIn, Admin:
		return holdSignIn
	case Configuration:
		return holdConfiguration
	}
	return holdRetry
}

// schedule sets RetryAt. previous is the failure before this one; nil when there was a success between.
func (p *Problem) schedule(previous *store.Problem, now time.Time) {
	h := holdOffOf(p.Class)
	wait := h.first
	if previous != nil && parseClass(previous.Class) == p.Class {
		// What was waited says how many failures there were; spread, it is never more than the full step.
		for last := previous.RetryAt.Sub(previous.At); wait < last && wait < h.most; {
			wait *= 2
		}
		wait = min(2*wait, h.most)
	}
	if p.Class == Retry {
		wait -= rand.N(wait / 4) // accounts that failed together do not come back together
	}
	wait = max(wait, p.pause)
	if p.Class == Retry && p.retryAfter > 0 {
		wait = p.retryAfter
	}
	p.RetryAt = now.Round(0).Add(wait)
}

// lastProblem is what the record says of the last failure to refresh, or what this process knows better.
func (m *Manager) lastProblem(email string, rec store.Record) *store.Problem {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.live[email]
	if l == nil {
		return rec.Problem
	}
	if l.unsaved != nil && l.unsaved.replaces == rec.Token.Refresh {
		return nil // there is something to save first
	}
	r := l.refused
	switch {
	case r == nil:
	case r.refresh == rec.Token.Refresh && !r.written:
		return new(r.problem)
	case r.refresh != rec.Token.Refresh && rec.Problem != nil && rec.Problem.At.Equal(r.problem.At):
		return nil // another refresh token has come by another way
	}
	return rec.Problem
}

// held returns the last failure while it is too early to ask the provider again. A sign-in ends that: it
// clears the record's problem.
func (m *Manager) held(email string, rec store.Record, now time.Time) *Problem {
	now = now.Round(0)
	p := m.lastProblem(email, rec)
	switch {
	case p == nil, !now.Before(p.RetryAt):
		return nil
	case now.Before(p.At): // the clock was set back; the wait would have no end
		return nil
	case parseClass(p.Class) == Configuration && p.At.Before(m.settings.Load().since.Round(0)):
		return nil // a setting may be right since
	}
	return problemOf(p)
}

// remember keeps what the store could not, and what the next attempt has to know. refusal is the store's, nil when it
// has taken everything.
func (m *Manager) remember(r *renewal, refusal *Problem) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.liveLocked(r.account.Email)
	if refusal == nil {
		l.unsaved, l.unwritten = nil, nil
	} else {
		if r.gained {
			l.unsaved = &unsaved{replaces: r.found.Refresh, token: *r.token}
		}
		m.notWrittenLocked(l, r.found, refusal)
	}
	switch {
	case r.problem == nil:
		l.refused, l.claims = nil, ""
	case !r.at.IsZero():
		has := r.found.Refresh
		if r.token != nil {
			has = r.token.Refresh
		}
		l.refused = &refused{problem: *r.problem.stored(r.at), refresh: has, written: refusal == nil}
	}
}

// keepClaims keeps what the provider wants to see at the next sign-in (learn.microsoft.com, "Claims challenges,
// claims requests and client capabilities").
func (m *Manager) keepClaims(email string, p *Problem) {
	r, ok := p.Err.(*refusal)
	if !ok || r.Claims == "" || len(r.Claims) > 4096 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.liveLocked(email).claims = r.Claims
}
