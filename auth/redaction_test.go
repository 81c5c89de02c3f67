package auth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A server that says everything back that it was told, wherever it can.
func echo(form url.Values) fakeAnswer {
	everything := form.Encode()
	return asJSON(400, map[string]any{
		"error": "invalid_grant", "error_description": "AADSTS70000: " + everything, "error_codes": []int{70000},
		"error_uri": "https://x/?" + everything,
	})
}

// A whole life at debug level: nothing of it may show a secret.
func TestNothingShowsASecret(t *testing.T) {
	account := annAccount()
	account.ClientSecretFile = writeFile(t, "secret", "the-client-secret-of-the-app")
	f := newFixture(t, fixtureOptions{account: &account})
	var said []string
	hear := func(err error) {
		if err == nil {
			return
		}
		said = append(said, err.Error())
		if p, ok := errors.AsType[*Problem](err); ok {
			said = append(said, fmt.Sprintf("%+v %#v", *p, *p))
		}
	}
	ctx := t.Context()

	generated, info := f.addPassword(NewPassword{Label: "client"})
	chosen, _ := f.addPassword(NewPassword{Chosen: NewSecret("plum harvest under seven bridges")})
	weak := NewSecret("weakweakweak")
	_, _, err := f.AddPassword(ctx, ann, NewPassword{Chosen: weak})
	hear(err)
	wrong := NewSecret("wrong-local-password")
	_, err = f.CheckPassword(ctx, ann, wrong)
	hear(err)

	br := f.begin()
	br.open(br.answer(url.Values{"state": {"other"}}))
	hear(br.b.Paste(ctx, "http://localhost/?code="+goodCode+"&state=other"))
	br.open(br.answer(nil))
	hear(br.b.Wait(ctx))
	token, err := f.Token(ctx, ann)
	hear(err)
	said = append(said, fmt.Sprintf("%v %+v %#v", token, token, token))

	f.id.usual = echo
	f.expireNow()
	_, err = f.Token(ctx, ann)
	hear(err)
	br2 := f.begin()
	br2.open(br2.answer(nil))
	hear(br2.b.Wait(ctx))
	f.id.usual = func(form url.Values) fakeAnswer {
		return asJSON(400, map[string]any{"error": form.Get("refresh_token") + form.Get("code"), "suberror": 7, "trace_id": "t"})
	}
	f.signedIn(0)
	_, err = f.Token(ctx, ann)
	hear(err)
	f.id.usual = func(form url.Values) fakeAnswer { return fakeAnswer{status: 500, body: form.Encode()} }
	f.signedIn(0)
	_, err = f.Token(ctx, ann)
	hear(err)
	f.id.usual = f.id.grant
	_, err = f.RevokePassword(ctx, ann, info.ID)
	hear(err)
	hear(f.Logout(ctx, ann))

	states, err := f.Status(ctx)
	hear(err)
	for _, s := range states {
		said = append(said, fmt.Sprintf("%+v %+v", s, s.Problem))
	}
	all := f.log.String() + strings.Join(said, "\n")
	secrets := append(f.id.secrets, generated.Reveal(), chosen.Reveal(), weak.Reveal(), wrong.Reveal(), goodCode,
		br.asked.Get("state"), br2.asked.Get("state"), br.b.verifier, br2.b.verifier, "first-access-secret", "first-refresh-secret")
	if len(secrets) < 12 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	for _, s := range secrets {
		if strings.Contains(all, s) || strings.Contains(all, url.QueryEscape(s)) {
			t.Errorf("%q is shown", s)
		}
	}
	for _, event := range []string{
		"sign-in started", "signed in", "sign-in failed", "token refresh failed", "signed out", "password added", "password revoked",
	} {
		if !f.log.has(fmt.Sprintf("msg=%q", event)) {
			t.Errorf("no event %q", event)
		}
	}
	for line := range strings.Lines(f.log.String()) {
		if !strings.Contains(line, "audit=true") {
			t.Errorf("not for the audit: %s", line)
		}
	}
}

func TestDeviceCodeIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		d := f.beginDevice(nil)
		f.id.then(oauthFailure("authorization_pending"))
		f.id.usual = echo
		err := d.Wait(t.Context())
		if err == nil || strings.Contains(err.Error()+f.log.String(), "device-code-secret") {
			t.Errorf("%v\n%s", err, f.log)
		}
		time.Sleep(time.Second)
	})
}

func TestRefreshEvent(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	f.get("access-001-secret")
	if !f.log.has(`msg="token refreshed" account=ann@example.com expires=`) {
		t.Errorf("log %s", f.log)
	}
	f.expireNow()
	f.id.then(fakeAnswer{status: 503})
	f.fails(Retry, "http-503")
	if !f.log.has(`msg="token refresh failed" account=ann@example.com class=retry code=http-503 retry_in=`) {
		t.Errorf("log %s", f.log)
	}
}
