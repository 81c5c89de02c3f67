package auth

import (
	"context"
	"hash/fnv"
	"strings"
	"time"

	"postern/internal/store"
)

const (
	// keepEvery is how often the tokens are looked at.
	keepEvery = time.Minute
	// keepAhead and keepSpread say when the token of an account in use is renewed: between five and ten
	// minutes before its end, each account and token at its own time. A login then finds one that is good for
	// a whole session, and accounts that were signed in together do not ask together.
	keepAhead  = 5 * time.Minute
	keepSpread = 5 * time.Minute
	// keepWarm is how long a refresh token is left unused; Microsoft's dies after 90 days without use.
	keepWarm       = 7 * 24 * time.Hour
	keepWarmSpread = 12 * time.Hour
)

// Keep renews tokens ahead of their end while inUse names their accounts, and uses the refresh token of every other
// account once a week, so that it does not die of disuse. An app that has no token gets its first. It looks at the wall
// clock, which goes on while a laptop sleeps. What the store does not take it tries to write again every few seconds. It
// returns when ctx ends; a failure is logged and recorded as any other, and does not end it.
func (m *Manager) Keep(ctx context.Context, inUse func() []string) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	m.keepAll(ctx, inUse())
	for again := (<-chan time.Time)(nil); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.keepAll(ctx, inUse())
		case <-m.unkept:
			if again == nil {
				again = time.After(saveEvery)
			}
		case <-again:
			again = nil
			m.saveAll(ctx)
		}
	}
}

// keepAll begins the renewals that are due. One account's slow provider holds up no other.
func (m *Manager) keepAll(ctx context.Context, inUse []string) {
	accounts, err := m.Accounts(ctx)
	if err != nil {
		return // Token says it to whoever needs one
	}
	used := map[string]bool{}
	for _, email := range inUse {
		used[strings.ToLower(email)] = true
	}
	for _, a := range accounts {
		rec, err := m.record(ctx, a.Email)
		if err != nil || !isDue(a, rec, used[a.Email], time.Now()) {
			continue
		}
		if m.begin() != nil {
			return
		}
		go func() {
			defer m.running.Done()
			var had Secret
			if rec.Token != nil {
				had = rec.Token.Access
			}
			m.Renew(ctx, a.Email, had)
		}()
	}
}

// isDue says whether an account should get another token now, or an app its first.
func isDue(a Account, rec store.Record, used bool, now time.Time) bool {
	t := rec.Token
	if t == nil {
		return a.beginsByItself(rec)
	}
	if used {
		return !hasLife(t, keepAhead+spread(a.Email, t.Expiry, keepSpread), now)
	}
	if a.Flow == FlowClientCredentials { // an app has no refresh token that could die
		return t.Access.IsZero()
	}
	last := gotAt(t)
	return isAhead(t, now) || now.Round(0).Sub(last.Round(0)) >= keepWarm+spread(a.Email, last, keepWarmSpread)
}

// spread is a share of most that stays the same for an account and a token, and differs between them.
func spread(email string, of time.Time, most time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(email))
	h.Write([]byte(of.UTC().Format(time.RFC3339)))
	return time.Duration(h.Sum64() % uint64(most))
}
