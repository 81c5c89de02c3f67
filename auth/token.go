package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/internal/store"
)

// Token is an access token for an account's mailbox.
type Token struct {
	Access Secret
	Expiry time.Time // as the provider said
	Issued time.Time // when the last refresh gave it; zero while it is the sign-in's
	Scopes []string  // what it was given for; empty = nobody knows
}

const (
	// enough is the life that a token handed out has at least: Exchange ends a session at the token's end.
	enough = 5 * time.Minute
	// bare is enough to log in with, when the provider can not be reached for another.
	bare = 30 * time.Second
	// young is how long a token counts as new whatever its life: some servers give tokens of minutes, and
	// the five connections of one mail client must not ask for one each.
	young = 10 * time.Second
)

// mostClockStep is by how much a clock that is right may be set back.
const mostClockStep = time.Minute

// hasLife compares by the wall clock, which goes on while a laptop sleeps. Of a token that was got when the clock was
// ahead nobody knows how long it lives.
func hasLife(t *store.Token, least time.Duration, now time.Time) bool {
	return !isAhead(t, now) && !t.Access.IsZero() && t.Expiry.Round(0).Sub(now.Round(0)) >= least
}

// gotAt is when the access token came.
func gotAt(t *store.Token) time.Time {
	if t.RefreshedAt.IsZero() {
		return t.SignedInAt
	}
	return t.RefreshedAt
}

// isAhead reports whether a token was got when the clock was ahead.
func isAhead(t *store.Token, now time.Time) bool {
	return gotAt(t).Round(0).Sub(now.Round(0)) > mostClockStep
}

func isFresh(t *store.Token, now time.Time) bool {
	if hasLife(t, enough, now) {
		return true
	}
	age := now.Round(0).Sub(t.RefreshedAt.Round(0))
	return age >= 0 && age < young && hasLife(t, bare, now)
}

func handOut(t *store.Token) Token {
	return Token{Access: t.Access, Expiry: t.Expiry, Issued: t.RefreshedAt, Scopes: t.Scopes}
}

// Token returns an access token with at least five minutes left: the stored one, or that of one refresh
// however many callers wait for it, here and in other processes. ErrUnknownAccount, or a *Problem; a caller
// that leaves early gets the cause of its ctx, and the refresh goes on.
//
// While the provider can not be reached, a token with less time left is handed out. After a failure the
// provider is not asked again before the Problem's RetryAt.
func (m *Manager) Token(ctx context.Context, email string) (Token, error) {
	return m.token(ctx, email, Secret{})
}

// Renew returns another access token than the one that the upstream rejected: the stored one, if it has been
// replaced meanwhile, or that of one forced refresh. Errors are those of Token.
func (m *Manager) Renew(ctx context.Context, email string, rejected Secret) (Token, error) {
	return m.token(ctx, email, rejected)
}

func (m *Manager) token(ctx context.Context, email string, rejected Secret) (Token, error) {
	email = addressKey(email)
	rec, err := m.record(ctx, email)
	if err != nil {
		return Token{}, err
	}
	now := time.Now()
	owned := rec.Token != nil && m.settings.Load().owns(email, rec)
	if owned && rec.Token.Access != rejected && isFresh(rec.Token, now) {
		return handOut(rec.Token), nil
	}
	account, err := m.account(email, rec)
	if err != nil {
		return Token{}, err
	}
	if rec.Token == nil {
		if !account.beginsByItself(rec) {
			return Token{}, newProblem("not-connected", about{account: account})
		}
		return m.share(ctx, account, store.Token{}, rejected)
	}
	if !owned {
		return Token{}, newProblem("other-app", about{account: account})
	}
	if p := m.held(email, rec, now); p != nil {
		return lastResort(rec.Token, rejected, p)
	}
	return m.share(ctx, account, *rec.Token, rejected)
}

// lastResort hands a token with little time left out when nothing is wrong but that no other can be had now.
func lastResort(t *store.Token, rejected Secret, p *Problem) (Token, error) {
	if p.Class == Retry && t != nil && t.Access != rejected && hasLife(t, bare, time.Now()) {
		return handOut(t), nil
	}
	return Token{}, p
}

// flight is one refresh, for everybody who waits.
type flight struct {
	done  chan struct{}
	token Token // valid once done is closed
	err   error
}

// share joins the account's refresh, or starts it, and waits for its end or ctx's.
func (m *Manager) share(ctx context.Context, account Account, seen store.Token, rejected Secret) (Token, error) {
	for {
		f, mine, err := m.fly(ctx, account, seen, rejected)
		if err != nil {
			return Token{}, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return Token{}, gaveUp(ctx, account)
		}
		// A flight that was under way may have ended with the very token that is no good.
		if mine || f.err != nil || f.token.Access != rejected {
			return f.token, f.err
		}
	}
}

// gaveUp is the error of who could not wait for a refresh, which goes on. Whose time was up is told of the provider.
func gaveUp(ctx context.Context, account Account) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s: wait for a token: %w", account.Email, context.Cause(ctx))
	}
	p := newProblem("timeout", about{account: account, host: hostOf(account.Provider.TokenURL)})
	p.Err = context.Cause(ctx)
	return p
}

// fly returns the account's flight and whether this call started it.
func (m *Manager) fly(ctx context.Context, account Account, seen store.Token, rejected Secret) (f *flight, mine bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.liveLocked(account.Email)
	if l.flight != nil {
		return l.flight, false, nil
	}
	if m.closed {
		return nil, false, errClosed
	}
	f = &flight{done: make(chan struct{})}
	l.flight = f
	m.running.Go(func() {
		ctx, cancel := unhurried(ctx)
		defer cancel()
		f.token, f.err = m.refresh(ctx, account, seen, rejected)
		m.mu.Lock()
		l.flight = nil
		m.mu.Unlock()
		close(f.done)
	})
	return f, true, nil
}
