package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/store"
)

func asProblem(err error) *Problem {
	p, _ := errors.AsType[*Problem](err)
	return p
}

func TestTokenFromStore(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(5*time.Minute + time.Second)
	f.get("first-access-secret")
	if got, err := f.Token(t.Context(), "ANN@Example.COM"); err != nil || got.Expiry.IsZero() || !got.Issued.IsZero() {
		t.Errorf("by another case: %v, %v", got, err)
	}
	if n := f.id.count(""); n != 0 {
		t.Errorf("%d requests; want none", n)
	}
}

func TestTokenRefreshes(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(5*time.Minute - time.Second)
	f.get("access-001-secret")
	if got, err := f.Token(t.Context(), ann); err != nil || got.Issued.IsZero() || !got.Issued.Equal(f.record().Token.RefreshedAt) {
		t.Errorf("%+v, %v", got, err)
	}
	r := f.record()
	if r.Token.Refresh.Reveal() != "refresh-001-secret" || r.Problem != nil || r.Token.SignedInAs != ann {
		t.Errorf("record: %+v, problem %+v", r.Token, r.Problem)
	}
	if n := f.id.count("refresh_token"); n != 1 {
		t.Errorf("%d requests; want 1", n)
	}
	form := f.id.last()
	want := map[string]string{
		"client_id": clientID, "refresh_token": "first-refresh-secret", "scope": imapAll, "client_secret": "",
	}
	for k, v := range want {
		if form.Get(k) != v {
			t.Errorf("%s = %q; want %q", k, form.Get(k), v)
		}
	}
}

// offline_access is named only where a refresh without it brought no refresh token.
func TestRefreshAsksForTheNextToken(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	f.id.then(f.id.reply(map[string]any{"refresh_token": nil}))
	f.get("access-001-secret")
	if got := f.id.last().Get("scope"); got != imapAll {
		t.Errorf("first request with scope %q", got)
	}
	f.expireNow()
	f.get("access-002-secret")
	if got := f.id.last().Get("scope"); got != imapAll+" offline_access" {
		t.Errorf("after an answer without a refresh token: scope %q", got)
	}
}

func TestTokenOfNobody(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	if _, err := f.Token(t.Context(), "bob@example.com"); !errors.Is(err, ErrUnknownAccount) {
		t.Errorf("unknown account: %v", err)
	}
	f.fails(SignIn, "not-connected")
}

func TestTokenLife(t *testing.T) {
	tests := []struct {
		name string
		in   any
		want time.Duration
	}{
		{"number", 4000, 4000 * time.Second},
		{"string", "4000", 4000 * time.Second},
		{"fraction", 4000.7, 4000 * time.Second},
		{"absent", nil, time.Hour},
		{"zero", 0, time.Hour},
		{"negative", -5, time.Hour},
		{"nonsense", "soon", time.Hour},
		{"wrong type", []int{1}, time.Hour},
		{"far too much", 1e18, mostLife},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fixtureOptions{})
				f.signedIn(0)
				f.id.then(f.id.reply(map[string]any{"expires_in": tt.in}))
				got, err := f.Token(t.Context(), ann)
				if err != nil {
					t.Fatal(err)
				}
				if life := time.Until(got.Expiry); life != tt.want {
					t.Errorf("life %v; want %v", life, tt.want)
				}
			})
		})
	}
}

// Some servers give tokens that never have five minutes left: that must not become a request per login.
func TestShortTokensAreNotRefreshedInABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(0)
		f.id.then(f.id.reply(map[string]any{"expires_in": 120}), f.id.reply(map[string]any{"expires_in": 120}))
		f.get("access-001-secret")
		time.Sleep(9 * time.Second)
		f.get("access-001-secret")
		time.Sleep(2 * time.Second)
		f.get("access-002-secret")
	})
}

func TestRefreshTokenIsKeptWhenTheAnswerHasNone(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	f.id.then(f.id.reply(map[string]any{"refresh_token": nil}))
	f.get("access-001-secret")
	if got := f.record().Token.Refresh.Reveal(); got != "first-refresh-secret" {
		t.Errorf("refresh token %q", got)
	}
}

func TestOneRefreshForAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.id.release = make(chan struct{})
		f.signedIn(-time.Minute)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				got, err := f.Token(t.Context(), ann)
				if err != nil || got.Access.Reveal() != "access-001-secret" {
					t.Errorf("%q, %v", got.Access.Reveal(), err)
				}
			})
		}
		synctest.Wait()
		close(f.id.release)
		all.Wait()
		if n := f.id.count(""); n != 1 {
			t.Errorf("%d requests; want 1", n)
		}
	})
}

func TestWaiterLeavesAndTheRefreshGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.id.release = make(chan struct{})
		f.signedIn(0)
		why := errors.New("client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		left := make(chan error)
		go func() {
			_, err := f.Token(ctx, ann)
			left <- err
		}()
		synctest.Wait()
		cancel(why)
		if err := <-left; !errors.Is(err, why) {
			t.Errorf("the waiter got %v; want its own cause", err)
		}
		close(f.id.release)
		synctest.Wait()
		if got := f.record().Token.Access.Reveal(); got != "access-001-secret" {
			t.Errorf("stored %q; the refresh should have gone on", got)
		}
	})
}

// Whose time is up hears what a provider's silence is always called, and nothing of contexts.
func TestWaiterRunsOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.id.release = make(chan struct{})
		f.signedIn(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.Token(ctx, ann)
		p := wantProblem(t, err, Retry, "timeout")
		if !strings.HasSuffix(p.Say, "does not answer in time") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v", p.Say, p.Err)
		}
		close(f.id.release)
	})
}

// A request that has begun is waited for, however long the way to it was: its answer may replace the refresh token.
func TestLateRequestIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: store.NewMemory()}
		f := newFixture(t, fixtureOptions{store: slow})
		f.signedIn(0)
		wait := workLimit - 10*time.Second
		slow.before = func() { time.Sleep(wait) }
		f.id.release = make(chan struct{})
		got := make(chan error)
		go func() {
			_, err := f.Token(t.Context(), ann)
			got <- err
		}()
		time.Sleep(wait + 20*time.Second)
		f.id.release <- struct{}{}
		if err := <-got; err != nil {
			t.Error(err)
		}
		if got := f.record().Token.Refresh.Reveal(); got != "refresh-001-secret" {
			t.Errorf("the store has %q", got)
		}
	})
}

func TestCloseWaitsForRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.id.release = make(chan struct{})
		f.signedIn(0)
		go f.Token(t.Context(), ann)
		synctest.Wait()
		closed := make(chan struct{})
		go func() { f.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		close(f.id.release)
		<-closed
		if got := f.record().Token.Access.Reveal(); got != "access-001-secret" {
			t.Errorf("stored %q", got)
		}
		f.signedIn(0)
		if _, err := f.Token(t.Context(), ann); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestRenew(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(time.Hour)
	rejected := NewSecret("first-access-secret")
	got, err := f.Renew(t.Context(), ann, rejected)
	if err != nil || got.Access.Reveal() != "access-001-secret" {
		t.Fatalf("%q, %v", got.Access.Reveal(), err)
	}
	// The second session that saw the old one rejected gets the same new one.
	if got, err = f.Renew(t.Context(), ann, rejected); err != nil || got.Access.Reveal() != "access-001-secret" {
		t.Fatalf("%q, %v", got.Access.Reveal(), err)
	}
	if n := f.id.count(""); n != 1 {
		t.Errorf("%d requests; want 1", n)
	}
	f.id.then(fakeAnswer{status: 500})
	_, err = f.Renew(t.Context(), ann, got.Access)
	wantProblem(t, err, Retry, "http-500") // and not the rejected token, however long it lives
	f.get("access-001-secret")
}

// A Renew that finds a flight under way must not be content with the token that was rejected.
func TestRenewDuringAFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: store.NewMemory()}
		f := newFixture(t, fixtureOptions{store: slow})
		f.signedIn(0)
		gate := make(chan struct{})
		slow.before = func() { <-gate }
		first := make(chan string)
		go func() {
			got, _ := f.Token(t.Context(), ann)
			first <- got.Access.Reveal()
		}()
		synctest.Wait() // its flight waits for the store
		slow.before = nil
		f.put(store.Token{Access: NewSecret("other-process-secret"), Expiry: time.Now().Add(time.Hour), Refresh: NewSecret("r")})
		second := make(chan string)
		go func() {
			got, _ := f.Renew(t.Context(), ann, NewSecret("other-process-secret"))
			second <- got.Access.Reveal()
		}()
		synctest.Wait()
		close(gate)
		if got := <-first; got != "other-process-secret" {
			t.Errorf("Token: %q", got)
		}
		if got := <-second; got != "access-001-secret" {
			t.Errorf("Renew: %q", got)
		}
	})
}

// slowStore lets a test in before an Update begins.
type slowStore struct {
	store.Store
	before func()
}

func (s *slowStore) Update(ctx context.Context, account string, change func(*store.Record) error) error {
	if s.before != nil {
		s.before()
	}
	return s.Store.Update(ctx, account, change)
}

func BenchmarkTokenFromStore(b *testing.B) {
	m, err := New(Options{Store: store.NewMemory(), Declared: []Account{{Email: ann, Provider: Provider{Name: "outlook"}, ClientID: clientID}}})
	if err != nil {
		b.Fatal(err)
	}
	m.store.Update(b.Context(), ann, func(r *store.Record) error {
		r.Token = &store.Token{Access: NewSecret("a"), Expiry: time.Now().Add(24 * time.Hour)}
		return nil
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Token(b.Context(), ann); err != nil {
			b.Fatal(err)
		}
	}
}
