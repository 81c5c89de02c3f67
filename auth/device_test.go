package auth

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deviceStart is the device endpoint's answer, changed by with.
func deviceStart(with map[string]any) fakeAnswer {
	members := map[string]any{
		"device_code": "device-code-secret", "user_code": "ABCD-EFGH", "verification_uri": "https://microsoft.com/devicelogin",
		"verification_uri_complete": "https://microsoft.com/devicelogin?otc=ABCD-EFGH", "expires_in": 900, "interval": 5,
		"message": "To sign in,\x1b[31m open the page",
	}
	for k, v := range with {
		members[k] = v
	}
	return asJSON(200, members)
}

func (f *fixture) beginDevice(with map[string]any) *DeviceSignIn {
	f.t.Helper()
	f.id.then(deviceStart(with))
	d, err := f.BeginDevice(f.t.Context(), ann)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

func TestDeviceSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		d := f.beginDevice(nil)
		if d.URI != "https://microsoft.com/devicelogin" || d.Code != "ABCD-EFGH" || d.Message != "To sign in, [31m open the page" || time.Until(d.Expires) != 15*time.Minute {
			t.Errorf("%+v", d)
		}
		if got := f.id.last(); got.Get("client_id") != clientID || got.Get("scope") != imapAll+" offline_access openid profile email" {
			t.Errorf("device request %v", got)
		}
		f.id.then(oauthFailure("authorization_pending", 70016), oauthFailure("authorization_pending"), fakeAnswer{err: &net.DNSError{Err: "no such host"}},
			fakeAnswer{status: 502}, oauthFailure("authorization_pending", 70016), oauthFailure("slow_down"), oauthFailure("authorization_pending"))
		began := time.Now()
		if err := d.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		// 5+5+5, 10 and 20 for the network, 5, 10 for slow_down, 10.
		if took := time.Since(began); took != 70*time.Second {
			t.Errorf("it took %v", took)
		}
		form := f.id.last()
		if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:device_code" || form.Get("device_code") != "device-code-secret" {
			t.Errorf("token request %v", form)
		}
		if got := f.record().Token; got.Refresh.Reveal() != "refresh-001-secret" || got.SignedInAs != ann {
			t.Errorf("record %+v", got)
		}
	})
}

func TestDeviceEnds(t *testing.T) {
	tests := []struct {
		answer fakeAnswer
		class  Class
		code   string
		cure   string
	}{
		{oauthFailure("authorization_declined"), SignIn, "authorization_declined", "accept"},
		{oauthFailure("access_denied"), SignIn, "access_denied", "accept"},
		{oauthFailure("expired_token", 70020), SignIn, "AADSTS70020", "start again"},
		{oauthFailure("bad_verification_code", 70018), SignIn, "AADSTS70018", "start again"},
		{oauthFailure("invalid_client", 7000218), Configuration, "AADSTS7000218", "Allow public client flows"},
		{oauthFailure("invalid_grant", 53003), Admin, "AADSTS53003", "try the browser"},
		{oauthFailure("out_of_cheese"), Retry, "out_of_cheese", "search"},
		{replyWith(map[string]any{"refresh_token": nil}), SignIn, "no-refresh-token", "offline_access"},
		{replyWith(map[string]any{"id_token": idToken("bob@example.com")}), SignIn, "wrong-account", "sign in as ann@example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fixtureOptions{})
				d := f.beginDevice(nil)
				f.id.then(oauthFailure("authorization_pending"), tt.answer)
				p := wantProblem(t, d.Wait(t.Context()), tt.class, tt.code)
				if !strings.Contains(p.Cure, tt.cure) {
					t.Errorf("cure %q; want %q in it", p.Cure, tt.cure)
				}
				if _, err := f.Token(t.Context(), ann); asProblem(err).Code != "not-connected" {
					t.Errorf("something was saved: %v", err)
				}
			})
		})
	}
}

func TestDeviceCodeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		d := f.beginDevice(map[string]any{"expires_in": 60, "interval": nil})
		f.id.usual = func(url.Values) fakeAnswer { return fakeAnswer{err: &net.DNSError{Err: "no such host"}} }
		began := time.Now()
		wantProblem(t, d.Wait(t.Context()), SignIn, "expired_token")
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestDeviceWaitEndsWithItsContextAndWithTheManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		d := f.beginDevice(nil)
		f.id.usual = func(url.Values) fakeAnswer { return oauthFailure("authorization_pending") }
		why := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(7*time.Second, func() { cancel(why) })
		if err := d.Wait(ctx); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
		time.AfterFunc(7*time.Second, func() { f.Close() })
		if err := d.Wait(t.Context()); !errors.Is(err, errClosed) {
			t.Errorf("%v", err)
		}
	})
}

// A question is no sign-in: nothing of the kind stands in the audit log.
func TestCheckApp(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.id.then(deviceStart(nil))
	if err := f.CheckApp(t.Context(), ann); err != nil {
		t.Error(err)
	}
	f.id.then(oauthFailure("unauthorized_client", 700016))
	if p := asProblem(f.CheckApp(t.Context(), ann)); p == nil || p.Code != "AADSTS700016" {
		t.Errorf("%v; want AADSTS700016", p)
	}
	if said := f.log.String(); strings.Contains(said, "audit=true") {
		t.Error(said)
	}
}

func TestDeviceStartFails(t *testing.T) {
	for code, answer := range map[string]fakeAnswer{
		"http-503":      {status: 503},
		"AADSTS7000218": oauthFailure("invalid_client", 7000218),
		"bad-response":  deviceStart(map[string]any{"verification_uri": "http://evil.example/"}),
	} {
		f := newFixture(t, fixtureOptions{})
		f.id.then(answer)
		if _, err := f.BeginDevice(t.Context(), ann); asProblem(err) == nil || asProblem(err).Code != code {
			t.Errorf("%v; want %s", err, code)
		}
	}
	f := newFixture(t, fixtureOptions{})
	f.id.then(deviceStart(map[string]any{"verification_uri": nil, "verification_url": "https://www.google.com/device"}))
	if d, err := f.BeginDevice(t.Context(), ann); err != nil || d.URI != "https://www.google.com/device" {
		t.Errorf("Google's spelling: %v", err)
	}
}
