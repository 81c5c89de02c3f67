package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const goodCode = "0.AXoA-good-code_secret"

// browser plays the person's browser at the loopback port.
type browser struct {
	t      *testing.T
	b      *BrowserSignIn
	asked  url.Values // parameters of the authorize request
	client http.Client
}

func (f *fixture) begin() *browser {
	f.t.Helper()
	b, err := f.BeginBrowser(f.t.Context(), ann)
	if err != nil {
		f.t.Fatal(err)
	}
	u, err := url.Parse(b.URL())
	if err != nil {
		f.t.Fatal(err)
	}
	return &browser{t: f.t, b: b, asked: u.Query(), client: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

func (br *browser) answer(with url.Values) string {
	q := url.Values{"code": {goodCode}, "state": {br.asked.Get("state")}, "session_state": {"x"}}
	for k, v := range with {
		q[k] = v
		if v == nil {
			q.Del(k)
		}
	}
	return br.asked.Get("redirect_uri") + "?" + q.Encode()
}

func (br *browser) open(address string) (int, string) {
	br.t.Helper()
	res, err := br.client.Get(address)
	if err != nil {
		br.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		br.t.Fatal(err)
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Referrer-Policy") != "no-referrer" {
		br.t.Errorf("headers: %v", res.Header)
	}
	return res.StatusCode, string(body)
}

func (br *browser) wants(address string, status int, text string) {
	br.t.Helper()
	if got, body := br.open(address); got != status || !strings.Contains(body, text) {
		br.t.Errorf("page of %s: %d %s; want %d and %q", address, got, body, status, text)
	}
}

// stillOpen checks that what came before did not use the sign-in up.
func (br *browser) stillOpen() {
	br.t.Helper()
	select {
	case <-br.b.done:
		br.t.Fatalf("the sign-in is over: %v", br.b.err)
	default:
	}
}

func TestBrowserSignIn(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	br := f.begin()
	want := map[string]string{
		"client_id": clientID, "response_type": "code", "response_mode": "query", "code_challenge_method": "S256", "login_hint": ann,
		"scope": imapAll + " offline_access openid profile email", "redirect_uri": fmt.Sprintf("http://localhost:%d/", br.b.port),
	}
	for k, v := range want {
		if br.asked.Get(k) != v {
			t.Errorf("%s = %q; want %q", k, br.asked.Get(k), v)
		}
	}
	if !strings.HasPrefix(br.b.URL(), "https://login.test/common/oauth2/v2.0/authorize?") {
		t.Errorf("address %s", br.b.URL())
	}
	br.wants(br.answer(nil), 200, ann+" is signed in")
	if err := br.b.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	form := f.id.last()
	if form.Get("code") != goodCode || form.Get("redirect_uri") != want["redirect_uri"] || form.Get("client_secret") != "" ||
		challenge(form.Get("code_verifier")) != br.asked.Get("code_challenge") || form.Get("scope") != want["scope"] {
		t.Errorf("token request: %v", form)
	}
	r := f.record()
	if r.Token == nil || r.Token.Refresh.Reveal() != "refresh-001-secret" || r.Token.SignedInAs != ann || r.Problem != nil || r.Token.SignedInAt.IsZero() {
		t.Errorf("record: %+v", r.Token)
	}
	f.get("access-001-secret")
	br.wants(br.answer(nil), 200, "completed in another tab")
	if n := f.id.count("authorization_code"); n != 1 {
		t.Errorf("the code was presented %d times", n)
	}
}

func TestSignInClearsTheProblem(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	f.id.then(oauthFailure("invalid_grant", 700082))
	f.fails(SignIn, "AADSTS700082")
	br := f.begin()
	br.open(br.answer(nil))
	if err := br.b.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := f.record().Problem; p != nil {
		t.Errorf("problem %+v", p)
	}
	f.get("access-001-secret")
}

func TestBrowserFailures(t *testing.T) {
	tests := []struct {
		name   string
		answer url.Values
		token  fakeAnswer
		class  Class
		code   string
		status int
		page   string
	}{
		{"denied", url.Values{"code": nil, "error": {"access_denied"}, "error_description": {"AADSTS65004: <b>declined</b>"}}, fakeAnswer{}, SignIn, "AADSTS65004", 403, "approval was declined"},
		{"admin wall", url.Values{"code": nil, "error": {"access_denied"}, "error_description": {"AADSTS90094: x"}}, fakeAnswer{}, Admin, "AADSTS90094", 403, "administrator"},
		{"unknown error", url.Values{"code": nil, "error": {"<script>alert(1)</script>"}}, fakeAnswer{}, Retry, "unreadable", 502, "does not know"},
		{"code used", nil, oauthFailure("invalid_grant", 54005), SignIn, "AADSTS54005", 403, "used already"},
		{"secret wanted", nil, oauthFailure("invalid_client", 7000218), Configuration, "AADSTS7000218", 403, "public client"},
		{"provider down", nil, fakeAnswer{status: 503}, Retry, "http-503", 502, "fault of its own"},
		{"no refresh token", nil, replyWith(map[string]any{"refresh_token": nil}), SignIn, "no-refresh-token", 403, "no refresh token"},
		{"no mail scope", nil, replyWith(map[string]any{"scope": "openid profile"}), SignIn, "scope-missing", 403, "IMAP.AccessAsUser.All was not granted"},
		{"wrong account", nil, replyWith(map[string]any{"id_token": idToken("Bob@example.com")}), SignIn, "wrong-account", 403, "Bob@example.com signed in, but this account is ann@example.com"},
		{"wrong account with markup", nil, replyWith(map[string]any{"id_token": idToken("<script>alert(1)</script>@x")}), SignIn, "wrong-account", 403, "&lt;script&gt;"},
		{"garbled id_token", nil, replyWith(map[string]any{"id_token": "a.b.c"}), Retry, "bad-response", 502, "makes no sense"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, fixtureOptions{})
			f.signedIn(time.Hour)
			if tt.answer == nil {
				f.id.then(tt.token)
			}
			br := f.begin()
			status, body := br.open(br.answer(tt.answer))
			if status != tt.status || !strings.Contains(body, tt.page) || strings.Contains(body, "<script>") || strings.Contains(body, "<b>") {
				t.Errorf("page: %d %s; want %d and %q", status, body, tt.status, tt.page)
			}
			wantProblem(t, br.b.Wait(t.Context()), tt.class, tt.code)
			if got := f.record(); got.Token.Refresh.Reveal() != "first-refresh-secret" || got.Problem != nil {
				t.Errorf("record changed: %+v %+v", got.Token, got.Problem)
			}
			if !f.log.has(`msg="sign-in failed"`) {
				t.Error("not in the log")
			}
			if again := f.begin(); again.b == br.b {
				t.Error("the next sign-in is the old one")
			}
		})
	}
}

// replyWith is a good token answer but for some members, outside any fake's count.
func replyWith(members map[string]any) fakeAnswer {
	return newFakeIdentity().reply(members)
}

func TestWhoMaySignIn(t *testing.T) {
	tests := []struct {
		name, signInAs, signer string
		ok                     bool
	}{
		{"the account", "", ann, true},
		{"another case", "", "Ann@EXAMPLE.com", true},
		{"a delegate", "del@example.com", "del@example.com", true},
		{"the account instead of the delegate", "del@example.com", ann, false},
		{"nobody named", "", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			account := annAccount()
			account.SignInAs, account.Mailbox = tt.signInAs, "shared@example.com"
			f := newFixture(t, fixtureOptions{account: &account})
			f.id.signer = tt.signer
			br := f.begin()
			br.open(br.answer(nil))
			if err := br.b.Wait(t.Context()); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestOnePendingSignIn(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	one, two := f.begin(), f.begin()
	if one.b != two.b {
		t.Fatal("two sign-ins at once")
	}
	two.b.Close()
	wantProblem(t, one.b.Wait(t.Context()), SignIn, "sign-in-ended")
	if f.begin().b == one.b {
		t.Error("the closed sign-in was given out again")
	}
}

// Two tabs answer at the same time: one redeems the code, both hear the end.
func TestTwoAnswersAtOnce(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.id.entered, f.id.release = make(chan struct{}), make(chan struct{})
	br := f.begin()
	var tabs sync.WaitGroup
	tabs.Go(func() { br.wants(br.answer(nil), 200, "is signed in") })
	<-f.id.entered
	tabs.Go(func() { br.wants(br.answer(nil), 200, "in another tab") })
	f.id.release <- struct{}{}
	tabs.Wait()
	if n := f.id.count(""); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

func TestCloseFreesThePortAndKeepsTheLastPage(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.id.entered, f.id.release = make(chan struct{}), make(chan struct{})
	br := f.begin()
	var tab sync.WaitGroup
	tab.Go(func() { br.wants(br.answer(nil), 200, "is signed in") })
	<-f.id.entered
	f.id.release <- struct{}{}
	if err := br.b.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	br.b.Close()
	tab.Wait()
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", br.b.port)); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
	br.b.Close()
	if err := br.b.Wait(t.Context()); err != nil {
		t.Errorf("the outcome changed: %v", err)
	}
}

func TestSignInOutlivesWhoBeganIt(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	b, err := f.BeginBrowser(ctx, ann)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := b.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
	f.begin().open(f.begin().answer(nil))
	if err := b.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSignInOfRemovedAccount(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	if err := f.AddAccount(t.Context(), Account{Email: "bob@example.com", Provider: Provider{Name: "fake"}, ClientID: clientID}); err != nil {
		t.Fatal(err)
	}
	b, err := f.BeginBrowser(t.Context(), "bob@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveAccount(t.Context(), "bob@example.com"); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, b.Wait(t.Context()), SignIn, "sign-in-ended")
}

func TestClaimsGoIntoTheNextSignIn(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	claims := `{"access_token":{"capolids":{"essential":true,"values":["x"]}}}`
	a := oauthFailure("interaction_required", 50076)
	a.body = strings.TrimSuffix(a.body, "}") + `,"claims":` + fmt.Sprintf("%q", claims) + "}"
	f.id.then(a)
	f.fails(SignIn, "AADSTS50076")
	if got := f.begin().asked.Get("claims"); got != claims {
		t.Errorf("claims %q", got)
	}
}

func TestWhoCanNotSignInWithABrowser(t *testing.T) {
	for code, change := range map[string]func(*Account){
		"no-client-id": func(a *Account) { a.ClientID = "" },
		"app-flow": func(a *Account) {
			a.Flow, a.Tenant, a.ClientSecretFile = FlowClientCredentials, "contoso.com", "secret.txt"
		},
	} {
		account := annAccount()
		change(&account)
		f := newFixture(t, fixtureOptions{account: &account})
		_, err := f.BeginBrowser(t.Context(), ann)
		wantProblem(t, err, Configuration, code)
	}
	f := newFixture(t, fixtureOptions{})
	if _, err := f.BeginBrowser(t.Context(), "bob@example.com"); !errors.Is(err, ErrUnknownAccount) {
		t.Errorf("unknown account: %v", err)
	}
}

// RFC 7636 appendix B.
func TestChallenge(t *testing.T) {
	if got := challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge %s", got)
	}
	if a, b := randomText(), randomText(); len(a) != 43 || a == b {
		t.Errorf("verifiers %q and %q", a, b)
	}
}
