package auth

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/store"
)

func TestTransientFailuresBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(0)
		down := fakeAnswer{status: 503, body: "<html>down</html>"}
		for i, step := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300} {
			step *= time.Second
			f.id.then(down)
			p := f.fails(Retry, "http-503")
			wait := time.Until(p.RetryAt)
			if wait > step || wait < step*3/4 {
				t.Fatalf("failure %d: wait %v; want up to %v", i+1, wait, step)
			}
			f.fails(Retry, "http-503")
			if n := f.id.count(""); n != i+1 {
				t.Fatalf("%d requests after %d failures: asked again too early", n, i+1)
			}
			time.Sleep(wait)
		}
		f.get("access-001-secret")
		if r := f.record(); r.Problem != nil {
			t.Errorf("problem after success: %+v", r.Problem)
		}
		if got := f.id.last().Get("refresh_token"); got != "first-refresh-secret" {
			t.Errorf("refresh token %q", got)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		value string
		want  time.Duration // 0 = the usual back-off
	}{
		{"30", 30 * time.Second}, {"3600", time.Hour}, {"999999999999999999", time.Hour}, {"86400", time.Hour},
		{"Sat, 01 Jan 2000 00:01:00 GMT", time.Minute}, // bubbles begin at midnight of that day
		{"", 0}, {"soon", 0}, {"-5", 0}, {"0", 0},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fixtureOptions{})
				f.signedIn(0)
				f.id.then(fakeAnswer{status: 429, body: "Too Many Requests", header: map[string]string{"Retry-After": tt.value}})
				wait := time.Until(f.fails(Retry, "http-429").RetryAt)
				if tt.want > 0 && wait != tt.want || tt.want == 0 && (wait < 3*time.Second || wait > 5*time.Second) {
					t.Errorf("wait %v; want %v", wait, tt.want)
				}
			})
		})
	}
}

func TestValidTokenIsUsedWhileTheProviderIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(2 * time.Minute)
		f.id.then(fakeAnswer{err: &net.DNSError{Err: "no such host", Name: "login.test"}})
		f.get("first-access-secret")
		if p := f.record().Problem; p == nil || p.Code != "dns" {
			t.Errorf("problem %+v; want dns", p)
		}
		f.get("first-access-secret") // held off, and no request
		if n := f.id.count(""); n != 1 {
			t.Errorf("%d requests; want 1", n)
		}
		time.Sleep(91 * time.Second) // 29 s left
		f.id.then(fakeAnswer{err: &net.DNSError{Err: "no such host", Name: "login.test"}})
		f.fails(Retry, "dns")
	})
}

func TestLostSignInKeepsTheRefreshToken(t *testing.T) {
	for _, failure := range []fakeAnswer{
		oauthFailure("invalid_grant", 700082), oauthFailure("interaction_required", 50076), oauthFailure("login_required"),
		oauthFailure("consent_required", 65001),
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, fixtureOptions{})
			f.signedIn(2 * time.Minute) // not handed out: nothing says that it will be there tomorrow
			wait := 2 * time.Minute
			for i := range 7 {
				f.id.then(failure)
				_, err := f.Token(t.Context(), ann)
				p := asProblem(err)
				if p == nil || p.Class != SignIn {
					t.Fatalf("%v; want sign-in", err)
				}
				if got := time.Until(p.RetryAt); got != wait {
					t.Fatalf("hold-off %d is %v; want %v", i+1, got, wait)
				}
				for range 3 {
					f.fails(SignIn, p.Code)
				}
				if n := f.id.count(""); n != i+1 {
					t.Fatalf("%d requests; want %d", n, i+1)
				}
				if got := f.record().Token.Refresh.Reveal(); got != "first-refresh-secret" {
					t.Fatalf("refresh token %q", got)
				}
				time.Sleep(wait)
				wait = min(2*wait, time.Hour)
			}
			f.get("access-001-secret") // the provider has changed its mind
		})
	}
}

func TestNewSignInEndsTheHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(0)
		f.id.then(oauthFailure("invalid_grant", 50173))
		f.fails(SignIn, "AADSTS50173")
		time.Sleep(time.Second)
		// Another process put another refresh token there and left the problem.
		err := f.store.Update(t.Context(), ann, func(r *store.Record) error {
			r.Token.Refresh = NewSecret("other-refresh-secret")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f.get("access-001-secret")
		if got := f.id.last().Get("refresh_token"); got != "other-refresh-secret" {
			t.Errorf("presented %q", got)
		}
	})
}

// The hold-off is in the store: a command that is run again and again must not ask again and again.
func TestHoldOffIsSharedByProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, id := store.NewMemory(), newFakeIdentity()
		f := newFixture(t, fixtureOptions{store: shared, id: id})
		f.signedIn(0)
		f.id.then(oauthFailure("invalid_grant", 50173))
		f.fails(SignIn, "AADSTS50173")
		newFixture(t, fixtureOptions{store: shared, id: id}).fails(SignIn, "AADSTS50173")
		if n := id.count(""); n != 1 {
			t.Errorf("%d requests; want 1", n)
		}
	})
}

// A setting may have been mended before the program was started again.
func TestConfigurationProblemIsForgottenByANewProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, id := store.NewMemory(), newFakeIdentity()
		f := newFixture(t, fixtureOptions{store: shared, id: id})
		f.signedIn(0)
		f.id.then(oauthFailure("invalid_client", 7000218))
		p := f.fails(Configuration, "AADSTS7000218")
		if wait := time.Until(p.RetryAt); wait != time.Minute {
			t.Errorf("hold-off %v", wait)
		}
		f.fails(Configuration, "AADSTS7000218")
		time.Sleep(time.Second)
		newFixture(t, fixtureOptions{store: shared, id: id}).get("access-001-secret")
	})
}

func TestLoopDetectionPausesForMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(0)
		f.id.then(oauthFailure("invalid_grant", 50196))
		if wait := time.Until(f.fails(Retry, "AADSTS50196").RetryAt); wait < 5*time.Minute {
			t.Errorf("pause %v; want minutes", wait)
		}
	})
}
