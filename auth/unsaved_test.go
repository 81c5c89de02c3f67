package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/store"
)

// brokenStore loses what change made, at the last moment: a full disk, a pulled plug.
type brokenStore struct {
	store.Store
	mu     sync.Mutex
	lose   int // so many Updates fail after change has returned nil
	refuse int // so many fail before change is called
}

var errDisk = fmt.Errorf("no space left: %w", store.ErrUnavailable)

func (s *brokenStore) Update(ctx context.Context, account string, change func(*store.Record) error) error {
	s.mu.Lock()
	lose, refuse := s.lose > 0, s.refuse > 0
	s.lose, s.refuse = max(0, s.lose-1), max(0, s.refuse-1)
	s.mu.Unlock()
	if refuse {
		return errDisk
	}
	if !lose {
		return s.Store.Update(ctx, account, change)
	}
	err := s.Store.Update(ctx, account, func(r *store.Record) error {
		if err := change(r); err != nil {
			return err
		}
		return errDisk
	})
	return err
}

func TestRotatedTokenThatWasNotSavedIsSavedNext(t *testing.T) {
	broken := &brokenStore{Store: store.NewMemory()}
	f := newFixture(t, fixtureOptions{store: broken})
	f.signedIn(0)
	broken.lose = 2
	// The provider has rotated. What it gave is not durable, so it is not handed out.
	f.fails(Retry, "store")
	f.fails(Retry, "store")
	if n := f.id.count(""); n != 1 {
		t.Fatalf("%d requests; want 1", n)
	}
	if got := f.record().Token.Refresh.Reveal(); got != "first-refresh-secret" {
		t.Fatalf("store has %q", got)
	}
	f.get("access-001-secret")
	if n := f.id.count(""); n != 1 {
		t.Errorf("%d requests: the old refresh token was presented again", n)
	}
	if r := f.record(); r.Token.Refresh.Reveal() != "refresh-001-secret" || r.Problem != nil {
		t.Errorf("store has %q, problem %+v", r.Token.Refresh.Reveal(), r.Problem)
	}
}

func TestUnsavedTokenThatExpiresIsTheOneThatIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &brokenStore{Store: store.NewMemory()}
		f := newFixture(t, fixtureOptions{store: broken})
		f.signedIn(0)
		broken.lose = 1
		f.fails(Retry, "store")
		time.Sleep(2 * time.Hour)
		f.get("access-002-secret")
		if got := f.id.last().Get("refresh_token"); got != "refresh-001-secret" {
			t.Errorf("presented %q", got)
		}
	})
}

func TestUnsavedTokenIsDroppedWhenTheStoreHasAnother(t *testing.T) {
	tests := []struct {
		name   string
		change func(f *fixture)
		check  func(f *fixture)
	}{
		{"signed in again", func(f *fixture) {
			f.put(store.Token{Access: NewSecret("new-access"), Expiry: time.Now().Add(time.Hour), Refresh: NewSecret("new-refresh")})
		}, func(f *fixture) { f.get("new-access") }},
		{"logged out", func(f *fixture) {
			if err := f.Logout(context.Background(), ann); err != nil {
				f.t.Fatal(err)
			}
		}, func(f *fixture) { f.fails(SignIn, "not-connected") }},
		{"logged out by another process", func(f *fixture) {
			f.store.Update(context.Background(), ann, func(r *store.Record) error { r.Token = nil; return nil })
		}, func(f *fixture) { f.fails(SignIn, "not-connected") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			broken := &brokenStore{Store: store.NewMemory()}
			f := newFixture(t, fixtureOptions{store: broken})
			f.signedIn(0)
			broken.lose = 1
			f.fails(Retry, "store")
			tt.change(f)
			tt.check(f)
			if n := f.id.count(""); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Without rotation nothing can be lost: mail goes on although the disk is full.
func TestUnrotatedTokenIsUsedThoughNotSaved(t *testing.T) {
	broken := &brokenStore{Store: store.NewMemory()}
	f := newFixture(t, fixtureOptions{store: broken})
	f.signedIn(0)
	f.id.then(f.id.reply(map[string]any{"refresh_token": nil}))
	broken.lose = 1
	f.get("access-001-secret")
	broken.refuse = 1
	f.get("access-001-secret")
	f.get("access-001-secret")
	if n := f.id.count(""); n != 1 {
		t.Errorf("%d requests; want 1", n)
	}
	if got := f.record().Token.Access.Reveal(); got != "access-001-secret" {
		t.Errorf("store has %q", got)
	}
}

func TestStoreThatRefusesIsNotAskedOfTheProvider(t *testing.T) {
	broken := &brokenStore{Store: store.NewMemory()}
	f := newFixture(t, fixtureOptions{store: broken})
	f.signedIn(2 * time.Minute)
	broken.refuse = 1
	f.get("first-access-secret") // still good for a login
	f.signedIn(0)
	broken.refuse = 1
	p := f.fails(Retry, "store")
	if !errors.Is(p, store.ErrUnavailable) {
		t.Errorf("%v does not wrap the store's error", p)
	}
	if n := f.id.count(""); n != 0 {
		t.Errorf("%d requests; want none", n)
	}
}

func TestFailureThatWasNotSavedHoldsOffAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &brokenStore{Store: store.NewMemory()}
		f := newFixture(t, fixtureOptions{store: broken})
		f.signedIn(0)
		f.id.then(oauthFailure("invalid_grant", 700082))
		broken.lose = 1
		f.fails(SignIn, "AADSTS700082")
		f.fails(SignIn, "AADSTS700082")
		if n := f.id.count(""); n != 1 {
			t.Errorf("%d requests; want 1", n)
		}
		time.Sleep(2 * time.Minute)
		f.id.then(oauthFailure("invalid_grant", 700082))
		if wait := time.Until(f.fails(SignIn, "AADSTS700082").RetryAt); wait != 4*time.Minute {
			t.Errorf("second hold-off %v", wait)
		}
	})
}

func (f *fixture) status() AccountStatus {
	f.t.Helper()
	all, err := f.Status(f.t.Context())
	if err != nil || len(all) != 1 {
		f.t.Fatalf("%v, %v", all, err)
	}
	return all[0]
}

// state wants this one, with a Problem of this code; "" = none.
func (f *fixture) state(want, code string) {
	f.t.Helper()
	s := f.status()
	got := ""
	if s.Problem != nil {
		got = s.Problem.Code
	}
	if s.State != want || got != code {
		f.t.Fatalf("state %q, problem %q; want %q, %q", s.State, got, want, code)
	}
}

// As long as the store does not take how a refresh went, that is an account's trouble; then it is written at once.
func TestUnwrittenRefreshIsSeenAsLongAsItLasts(t *testing.T) {
	tests := []struct {
		name    string
		fail    func(*fixture, *brokenStore)
		answer  []fakeAnswer
		state   string // when the store works again
		code    string
		refresh string
		asked   int
	}{
		{"the disk was full before", func(_ *fixture, s *brokenStore) { s.refuse = 3 }, nil, StateReady, "", "first-refresh-secret", 0},
		{"the disk was full behind", func(_ *fixture, s *brokenStore) { s.lose = 3 }, nil, StateReady, "", "refresh-001-secret", 1},
		{"a lost sign-in", func(_ *fixture, s *brokenStore) { s.lose = 3 }, []fakeAnswer{oauthFailure("invalid_grant", 700082)},
			StateSignInNeeded, "AADSTS700082", "first-refresh-secret", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broken := &brokenStore{Store: store.NewMemory()}
				f := newFixture(t, fixtureOptions{store: broken})
				f.signedIn(0)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go f.Keep(ctx, func() []string { return nil })
				f.state(StateReady, "")
				f.id.then(tt.answer...)
				tt.fail(f, broken)
				if _, err := f.Token(ctx, ann); err == nil {
					t.Fatal("got a token")
				}
				for range 2 {
					f.state(StateTrouble, "store")
					time.Sleep(saveEvery + time.Millisecond)
				}
				f.state(StateTrouble, "store")
				time.Sleep(saveEvery)
				f.state(tt.state, tt.code)
				if got := f.record().Token.Refresh.Reveal(); got != tt.refresh || f.id.count("") != tt.asked {
					t.Errorf("the store has %q, after %d requests", got, f.id.count(""))
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

func TestUnwrittenRefreshIsForgotten(t *testing.T) {
	for name, end := range map[string]func(*fixture){
		"another process has refreshed": func(f *fixture) {
			f.put(store.Token{Access: NewSecret("theirs"), Expiry: time.Now().Add(time.Hour), Refresh: NewSecret("first-refresh-secret")})
		},
		"the next attempt is written": func(f *fixture) { f.get("access-001-secret") },
	} {
		t.Run(name, func(t *testing.T) {
			broken := &brokenStore{Store: store.NewMemory()}
			f := newFixture(t, fixtureOptions{store: broken})
			f.signedIn(0)
			broken.refuse = 1
			f.fails(Retry, "store")
			f.state(StateTrouble, "store")
			end(f)
			f.state(StateReady, "")
		})
	}
}

// What a person did at the provider is not asked of them again because the disk was full.
func TestSignInThatWasNotSavedIsSavedNext(t *testing.T) {
	broken := &brokenStore{Store: store.NewMemory()}
	f := newFixture(t, fixtureOptions{store: broken})
	f.signedIn(0)
	br := f.begin()
	broken.lose = 1
	br.open(br.answer(nil))
	wantProblem(t, br.b.Wait(t.Context()), Retry, "store")
	f.state(StateTrouble, "store")
	f.get("access-001-secret")
	f.state(StateReady, "")
	if got := f.record().Token.Refresh.Reveal(); got != "refresh-001-secret" || f.id.count("") != 1 {
		t.Errorf("the store has %q, after %d requests", got, f.id.count(""))
	}
}

func TestUnsavedTokenIsSavedAtTheEnd(t *testing.T) {
	broken := &brokenStore{Store: store.NewMemory()}
	f := newFixture(t, fixtureOptions{store: broken})
	f.signedIn(0)
	broken.lose = 1
	f.fails(Retry, "store")
	f.Close()
	if got := f.record().Token.Refresh.Reveal(); got != "refresh-001-secret" {
		t.Errorf("the store has %q", got)
	}
}

// An answer whose access token is no good may still carry the next refresh token, and the one before may be dead.
var unusable = map[string]map[string]any{
	"bad-response": {"access_token": nil},
	"token-type":   {"token_type": "DPoP"},
}

func TestRefreshTokenBesideAnUnusableAccessTokenIsKept(t *testing.T) {
	for code, members := range unusable {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fixtureOptions{})
				f.signedIn(0)
				f.id.then(f.id.reply(members))
				_, err := f.Token(t.Context(), ann)
				p := asProblem(err)
				if p == nil || p.Code != code {
					t.Fatalf("%v; want %s", err, code)
				}
				r := f.record()
				if got := r.Token.Refresh.Reveal(); got != "refresh-001-secret" {
					t.Errorf("the store has %q", got)
				}
				if r.Problem == nil || r.Problem.Code != code {
					t.Errorf("problem %+v", r.Problem)
				}
				if got := r.Token.Access.Reveal(); got != "first-access-secret" {
					t.Errorf("access token %q", got)
				}
				f.fails(p.Class, code) // held off as any failure
				time.Sleep(time.Until(p.RetryAt))
				f.get("access-002-secret")
				if got := f.id.last().Get("refresh_token"); got != "refresh-001-secret" {
					t.Errorf("presented %q", got)
				}
			})
		})
	}
}

func TestAccessTokenAtHandOutlivesAnUnusableOne(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(2 * time.Minute)
	f.id.then(f.id.reply(unusable["bad-response"]))
	f.get("first-access-secret")
	if got := f.record().Token.Refresh.Reveal(); got != "refresh-001-secret" {
		t.Errorf("the store has %q", got)
	}
}

func TestRefreshTokenBesideAnUnusableAccessTokenIsSavedNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &brokenStore{Store: store.NewMemory()}
		f := newFixture(t, fixtureOptions{store: broken})
		f.signedIn(0)
		f.id.then(f.id.reply(unusable["token-type"]))
		broken.lose = 1
		p := f.fails(Configuration, "token-type")
		f.fails(Configuration, "token-type") // saves it, and leaves the provider alone
		if r := f.record(); r.Token.Refresh.Reveal() != "refresh-001-secret" || r.Problem == nil || f.id.count("") != 1 {
			t.Errorf("the store has %q, problem %+v, after %d requests", r.Token.Refresh.Reveal(), r.Problem, f.id.count(""))
		}
		time.Sleep(time.Until(p.RetryAt))
		f.get("access-002-secret")
		if got := f.id.last().Get("refresh_token"); got != "refresh-001-secret" {
			t.Errorf("presented %q", got)
		}
	})
}

// awayStore is one whose directory was taken away: it knows what it had, and takes nothing.
type awayStore struct {
	store.Store
	away bool
}

func (s *awayStore) List(ctx context.Context) ([]string, error) {
	all, err := s.Store.List(ctx)
	if err == nil && s.away {
		err = fmt.Errorf("store /state: %w; mount it again", store.ErrAway)
	}
	return all, err
}

func TestStoreThatWasTakenAwayIsEveryAccountsTrouble(t *testing.T) {
	s := &awayStore{Store: store.NewMemory()}
	f := newFixture(t, fixtureOptions{store: s})
	f.signedIn(time.Hour)
	f.state(StateReady, "")
	s.away = true
	f.state(StateTrouble, "store")
	if p := f.status().Problem; p.Cure != "mount it again" {
		t.Errorf("the cure is %q", p.Cure)
	}
	f.get("first-access-secret")
	s.away = false
	f.state(StateReady, "")
}
