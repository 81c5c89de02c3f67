package auth

import (
	"strings"
	"testing"
)

// reconfigure gives ann's account other settings, as a changed configuration file does.
func (f *fixture) reconfigure(change func(*Account)) {
	f.t.Helper()
	a := annAccount()
	change(&a)
	if err := f.Reconfigure(map[string]Provider{"fake": fakeProvider(), "other": fakeProvider()}, []Account{a}, nil); err != nil {
		f.t.Fatal(err)
	}
}

// throughBrowser signs ann in.
func (f *fixture) throughBrowser() {
	f.t.Helper()
	br := f.begin()
	br.open(br.answer(nil))
	if err := br.b.Wait(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// Tokens go to the app and the provider that they are from, and to nobody else, whatever the configuration says
// meanwhile; and they are there when it says again what it said.
func TestTokensStayWithTheirApp(t *testing.T) {
	for name, change := range map[string]func(*Account){
		"client id": func(a *Account) { a.ClientID = "another-app" },
		"provider":  func(a *Account) { a.Provider.Name = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, fixtureOptions{})
			f.throughBrowser()
			asked := f.id.count("")
			f.reconfigure(change)
			p := f.fails(SignIn, "other-app")
			if !strings.Contains(p.Cure, "postern login "+ann) {
				t.Errorf("cure %q", p.Cure)
			}
			if _, err := f.Renew(t.Context(), ann, f.record().Token.Access); err == nil {
				t.Error("the token was renewed")
			}
			states, err := f.Status(t.Context())
			if err != nil || states[0].State != StateSignInNeeded || states[0].Problem.Code != "other-app" {
				t.Errorf("status %+v, %v", states, err)
			}
			f.expireNow()
			f.fails(SignIn, "other-app")
			if n := f.id.count(""); n != asked {
				t.Errorf("%d requests with another app's tokens", n-asked)
			}
			f.reconfigure(func(*Account) {})
			f.get("access-002-secret")
		})
	}
}

// What a version wrote that did not note the app is taken for the account's own, and noted when it proves to be.
func TestTokensOfAnUnknownApp(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	f.get("access-001-secret")
	if got := f.record().Token; got.ClientID != clientID || got.Provider != "fake" {
		t.Errorf("noted as of %q at %q", got.ClientID, got.Provider)
	}
}

// An account that was declared once and is added by command keeps the tokens of its app only.
func TestAddedAccountDoesNotTakeOverTokens(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.throughBrowser()
	if err := f.Reconfigure(map[string]Provider{"fake": fakeProvider()}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.AddAccount(t.Context(), Account{Email: ann, Provider: Provider{Name: "fake"}, ClientID: "another-app"}); err != nil {
		t.Fatal(err)
	}
	f.fails(SignIn, "other-app")
}

// The way to sign in may be tried and taken back: an app that signs in by itself does not cost the person's sign-in.
func TestAppKeepsThePersonsRefreshToken(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.throughBrowser()
	kept := f.record().Token.Refresh
	f.reconfigure(func(a *Account) {
		a.Flow, a.Tenant, a.ClientSecretFile = FlowClientCredentials, "contoso.test", writeFile(t, "secret", "app~secret.value")
	})
	f.expireNow()
	if _, err := f.Token(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if got := f.record().Token.Refresh; got != kept {
		t.Error("the refresh token is gone")
	}
	f.reconfigure(func(*Account) {})
	f.expireNow()
	if _, err := f.Token(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if got := f.id.last().Get("refresh_token"); got != kept.Reveal() {
		t.Errorf("the provider got the refresh token %q", got)
	}
}

// A refresh token is taken back where it came from, or nowhere.
func TestNoRevocationElsewhere(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.throughBrowser()
	asked := f.id.count("")
	revoking := fakeProvider()
	revoking.RevokeURL = "https://login.test/revoke"
	a := annAccount()
	a.Provider.Name = "other"
	if err := f.Reconfigure(map[string]Provider{"other": revoking}, []Account{a}, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Logout(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if n := f.id.count(""); n != asked {
		t.Error("another provider was shown the refresh token")
	}
	if f.record().Token != nil {
		t.Error("the token is still there")
	}
}
