package auth

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/store"
)

func TestKeepRenewsWhatIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go f.Keep(ctx, func() []string { return []string{"ANN@example.com"} })
		time.Sleep(49 * time.Minute)
		synctest.Wait()
		if n := f.id.count("refresh_token"); n != 0 {
			t.Errorf("%d refreshes with more than ten minutes left; want none", n)
		}
		time.Sleep(7 * time.Minute)
		synctest.Wait()
		if n := f.id.count("refresh_token"); n != 1 {
			t.Errorf("%d refreshes between ten and five minutes before the end; want 1", n)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := f.id.count("refresh_token"); n < 24 || n > 28 {
			t.Errorf("%d refreshes in a day; want one each hour", n)
		}
		cancel()
		synctest.Wait()
	})
}

func TestKeepWarmsWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go f.Keep(ctx, func() []string { return nil })
		time.Sleep(6 * 24 * time.Hour)
		synctest.Wait()
		if n := f.id.count(""); n != 0 {
			t.Errorf("%d requests in six idle days; want none", n)
		}
		time.Sleep(84 * 24 * time.Hour)
		synctest.Wait()
		if n := f.id.count("refresh_token"); n < 11 || n > 13 {
			t.Errorf("%d refreshes in 90 idle days; want one a week", n)
		}
		cancel()
		synctest.Wait()
	})
}

// A clock that was years ahead once must not keep an idle refresh token from being used before it dies.
func TestKeepWarmsWhatIsFromAClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(time.Hour)
		ahead := *f.record().Token
		ahead.SignedInAt, ahead.RefreshedAt = time.Now().AddDate(3, 0, 0), time.Now().AddDate(3, 0, 1)
		f.put(ahead)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go f.Keep(ctx, func() []string { return nil })
		time.Sleep(6 * 24 * time.Hour)
		synctest.Wait()
		if n := f.id.count("refresh_token"); n != 1 {
			t.Errorf("%d refreshes; want 1", n)
		}
		cancel()
		synctest.Wait()
	})
}

// While the provider says no, Keep asks no more often than the hold-off allows, and the token stays.
func TestKeepRespectsTheHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(time.Hour)
		for range 1000 {
			f.id.then(oauthFailure("invalid_grant", 700082))
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go f.Keep(ctx, func() []string { return []string{ann} })
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if n := f.id.count(""); n == 0 || n > 32 {
			t.Errorf("%d requests in a day of refusals; want some 28", n)
		}
		if f.record().Token.Refresh.Reveal() != "first-refresh-secret" {
			t.Error("the refresh token is gone")
		}
		cancel()
		synctest.Wait()
	})
}

// Fifty accounts whose tokens end in the same second make one request each, and not at once.
func TestKeepSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := newFakeIdentity()
		var declared []Account
		var names []string
		s := store.NewMemory()
		for i := range 50 {
			a := annAccount()
			a.Email = fmt.Sprintf("user%02d@example.com", i)
			declared, names = append(declared, a), append(names, a.Email)
			s.Update(t.Context(), a.Email, func(r *store.Record) error {
				r.Token = &store.Token{Access: NewSecret("a"), Refresh: NewSecret("r"), Expiry: time.Now().Add(time.Hour), SignedInAt: time.Now()}
				return nil
			})
		}
		m, err := New(Options{Store: s, Providers: map[string]Provider{"fake": fakeProvider()}, Declared: declared})
		if err != nil {
			t.Fatal(err)
		}
		m.endpoint.transport = id
		ctx, cancel := context.WithCancel(t.Context())
		go m.Keep(ctx, func() []string { return names })
		perMinute := map[int]int{}
		for minute := range 60 {
			time.Sleep(time.Minute)
			synctest.Wait()
			perMinute[minute] = id.count("refresh_token")
		}
		if total := perMinute[59]; total != 50 {
			t.Errorf("%d requests in the hour; want one per account", total)
		}
		most := 0
		for minute := 1; minute < 60; minute++ {
			most = max(most, perMinute[minute]-perMinute[minute-1])
		}
		if most > 25 {
			t.Errorf("%d of 50 accounts ask in the same minute", most)
		}
		cancel()
		synctest.Wait()
		m.Close()
	})
}
