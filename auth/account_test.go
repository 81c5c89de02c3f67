package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/store"
)

func TestAccounts(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	ctx := t.Context()
	added := Account{Email: " Bob@Example.COM ", Provider: Provider{Name: "fake"}, ClientID: clientID, Mailbox: "Shared@example.com"}
	if err := f.AddAccount(ctx, added); err != nil {
		t.Fatal(err)
	}
	bob, err := f.Account(ctx, "BOB@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if bob.Email != "bob@example.com" || bob.Mailbox != "Shared@example.com" || bob.SignInAs != "bob@example.com" || bob.Flow != FlowBrowser ||
		bob.Tenant != "common" || bob.Provider.IMAP != "mail.test:993" || bob.Declared {
		t.Errorf("%+v", bob)
	}
	all, err := f.Accounts(ctx)
	if err != nil || len(all) != 2 || all[0].Email != ann || !all[0].Declared || all[1].Email != "bob@example.com" {
		t.Errorf("%+v, %v", all, err)
	}
	// Again, with another mailbox: passwords and the date of the account stay.
	if _, _, err := f.AddPassword(ctx, "bob@example.com", NewPassword{}); err != nil {
		t.Fatal(err)
	}
	added.Mailbox = ""
	if err := f.AddAccount(ctx, added); err != nil {
		t.Fatal(err)
	}
	if bob, _ = f.Account(ctx, "bob@example.com"); bob.Mailbox != "bob@example.com" {
		t.Errorf("%+v", bob)
	}
	if list, _ := f.Passwords(ctx, "bob@example.com"); len(list) != 1 {
		t.Errorf("%d passwords", len(list))
	}
	if err := f.RemoveAccount(ctx, "Bob@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveAccount(ctx, "bob@example.com"); !errors.Is(err, ErrUnknownAccount) {
		t.Error(err)
	}
	if _, err := f.Account(ctx, "bob@example.com"); !errors.Is(err, ErrUnknownAccount) {
		t.Error(err)
	}
}

func TestAddAccountRefuses(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	tests := map[string]Account{
		"address":   {Email: "bob", Provider: Provider{Name: "fake"}},
		"provider":  {Email: "bob@example.com", Provider: Provider{Name: "lab"}},
		"flow":      {Email: "bob@example.com", Provider: Provider{Name: "fake"}, Flow: "password"},
		"tenant":    {Email: "bob@example.com", Provider: Provider{Name: "fake"}, Tenant: "../x"},
		"app-proof": {Email: "bob@example.com", Provider: Provider{Name: "fake"}, ClientCertificate: "c.pem"},
		"declared":  {Email: ann, Provider: Provider{Name: "fake"}},
	}
	for code, a := range tests {
		wantProblem(t, f.AddAccount(t.Context(), a), Configuration, code)
	}
	for _, email := range []string{"", "@x", "a@", "a b@x", "a@x\r\nb", "a\x00@x", strings.Repeat("a", 250) + "@example.com", "\xff@x"} {
		wantProblem(t, f.AddAccount(t.Context(), Account{Email: email, Provider: Provider{Name: "fake"}}), Configuration, "address")
	}
	wantProblem(t, f.RemoveAccount(t.Context(), ann), Configuration, "declared")
	if list, _ := f.store.List(t.Context()); len(list) != 0 {
		t.Errorf("records were made: %v", list)
	}
}

// A refresh token must not be sent to another provider than the one that gave it.
func TestAddAccountDoesNotCarryTokensOver(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	bob := Account{Email: "bob@example.com", Provider: Provider{Name: "fake"}, ClientID: clientID}
	if err := f.AddAccount(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	f.store.Update(t.Context(), bob.Email, func(r *store.Record) error {
		r.Token = &store.Token{Refresh: NewSecret("r")}
		return nil
	})
	for _, change := range []func(*Account){func(a *Account) { a.Provider.Name = "outlook" }, func(a *Account) { a.ClientID = "other" }} {
		a := bob
		change(&a)
		wantProblem(t, f.AddAccount(t.Context(), a), Configuration, "signed-in")
	}
	if err := f.Logout(t.Context(), bob.Email); err != nil {
		t.Fatal(err)
	}
	bob.ClientID = "other"
	if err := f.AddAccount(t.Context(), bob); err != nil {
		t.Error(err)
	}
}

func TestDeclaredMistakesAreAllReported(t *testing.T) {
	_, err := New(Options{
		Store: store.NewMemory(), Providers: map[string]Provider{"fake": fakeProvider(), "graph": {
			AuthorizeURL: "https://x/", TokenURL: "https://x/", Scopes: []string{"https://graph.microsoft.com/Mail.Read"},
		}},
		Declared: []Account{
			{Email: "a@example.com", Provider: Provider{Name: "nowhere"}}, {Email: "b@example.com", Provider: Provider{Name: "graph"}},
			{Email: "c", Provider: Provider{Name: "fake"}}, {Email: "d@example.com", Provider: Provider{Name: "fake"}},
		},
	})
	for _, want := range []string{"account a@example.com: provider \"nowhere\"", "account b@example.com: mail servers refuse tokens of Microsoft Graph", "account c: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "d@example.com") {
		t.Errorf("%v", err)
	}
	if asProblem(err) == nil {
		t.Error("no Problem in it")
	}
}

func TestLogout(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	if err := f.Logout(t.Context(), ann); err != nil { // of what was never signed in
		t.Fatal(err)
	}
	f.state(StateNeverSignedIn, "")
	f.signedIn(time.Hour)
	secret, _ := f.addPassword(NewPassword{})
	br := f.begin()
	if err := f.Logout(t.Context(), "Ann@example.com"); err != nil {
		t.Fatal(err)
	}
	f.state(StateSignedOut, "")
	f.fails(SignIn, "not-connected")
	wantProblem(t, br.b.Wait(t.Context()), SignIn, "sign-in-ended")
	if _, err := f.CheckPassword(t.Context(), ann, secret); err != nil {
		t.Errorf("the local password is gone: %v", err)
	}
	if err := f.Logout(t.Context(), ann); err != nil {
		t.Errorf("twice: %v", err)
	}
	f.state(StateSignedOut, "")
	if err := f.Logout(t.Context(), "bob@example.com"); !errors.Is(err, ErrUnknownAccount) {
		t.Error(err)
	}
	if f.id.count("") != 0 || !f.log.has(`msg="signed out"`) {
		t.Error("requests were made, or nothing is in the log")
	}
}

func TestLogoutRevokes(t *testing.T) {
	for name, answer := range map[string]fakeAnswer{"done": {body: ""}, "refused": oauthFailure("invalid_request"), "down": {err: context.DeadlineExceeded}} {
		f := newFixture(t, fixtureOptions{})
		p := fakeProvider()
		p.RevokeURL = "https://login.test/revoke"
		if err := f.Reconfigure(map[string]Provider{"fake": p}, []Account{annAccount()}, nil); err != nil {
			t.Fatal(err)
		}
		f.signedIn(time.Hour)
		f.id.then(answer)
		if err := f.Logout(t.Context(), ann); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := f.id.last().Get("token"); got != "first-refresh-secret" {
			t.Errorf("%s: revoked %q", name, got)
		}
		if f.record().Token != nil {
			t.Errorf("%s: token kept", name)
		}
		if f.log.has("revocation failed") != (name != "done") {
			t.Errorf("%s: log %s", name, f.log)
		}
	}
}

// Of a refresh token that could not be saved nobody else knows; it is the one to be revoked.
func TestLogoutRevokesWhatWasNotSaved(t *testing.T) {
	broken := &brokenStore{Store: store.NewMemory()}
	f := newFixture(t, fixtureOptions{store: broken})
	p := fakeProvider()
	p.RevokeURL = "https://login.test/revoke"
	if err := f.Reconfigure(map[string]Provider{"fake": p}, []Account{annAccount()}, nil); err != nil {
		t.Fatal(err)
	}
	f.signedIn(0)
	broken.lose = 1
	f.fails(Retry, "store")
	if err := f.Logout(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if got := f.id.last().Get("token"); got != "refresh-001-secret" {
		t.Errorf("revoked %q", got)
	}
}

// What the configuration declared once leaves a record. It is no account, but can be removed.
func TestLeftovers(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.store.Update(t.Context(), "old@example.com", func(r *store.Record) error { r.Token = &store.Token{}; return nil })
	if all, err := f.Accounts(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := f.Token(t.Context(), "old@example.com"); !errors.Is(err, ErrUnknownAccount) {
		t.Error(err)
	}
	if err := f.Logout(t.Context(), "old@example.com"); err != nil {
		t.Error(err)
	}
	if err := f.RemoveAccount(t.Context(), "old@example.com"); err != nil {
		t.Error(err)
	}
}

func TestStatus(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	ctx := t.Context()
	for _, email := range []string{"broken@example.com", "lost@example.com", "ready@example.com", "trouble@example.com", "unreadable@example.com"} {
		if err := f.AddAccount(ctx, Account{Email: email, Provider: Provider{Name: "fake"}, ClientID: clientID}); err != nil {
			t.Fatal(err)
		}
	}
	problem := func(email string, p *store.Problem) {
		f.store.Update(ctx, email, func(r *store.Record) error {
			r.Token, r.Problem = &store.Token{SignedInAs: email, Expiry: time.Now()}, p
			return nil
		})
	}
	problem("lost@example.com", (&Problem{Class: SignIn, Code: "c", Say: "s", Cure: "x"}).stored(time.Now()))
	problem("trouble@example.com", (&Problem{Class: Retry, Code: "c", Say: "s", Cure: "x"}).stored(time.Now()))
	problem("ready@example.com", nil)
	f.store.Update(ctx, "broken@example.com", func(r *store.Record) error { r.Settings.Provider = "gone"; return nil })
	f.Manager.store = damagedStore{f.store}

	all, err := f.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]string{
		ann: {StateNeverSignedIn, ""}, "broken@example.com": {StateTrouble, "provider"}, "lost@example.com": {StateSignInNeeded, "c"},
		"ready@example.com": {StateReady, ""}, "trouble@example.com": {StateTrouble, "c"}, "unreadable@example.com": {StateTrouble, "store-damaged"},
	}
	if len(all) != len(want) || !slices.IsSortedFunc(all, func(a, b AccountStatus) int { return strings.Compare(a.Account, b.Account) }) {
		t.Errorf("%+v", all)
	}
	for _, s := range all {
		code := ""
		if s.Problem != nil {
			code = s.Problem.Code
		}
		if w := want[s.Account]; s.State != w[0] || code != w[1] {
			t.Errorf("%s: %q %q; want %v", s.Account, s.State, code, w)
		}
	}
	if accounts, err := f.Accounts(ctx); err != nil || len(accounts) != len(want) {
		t.Errorf("%d accounts, %v", len(accounts), err)
	}
}

type damagedStore struct{ store.Store }

func (s damagedStore) View(ctx context.Context, account string) (store.Record, error) {
	if strings.HasPrefix(account, "unreadable") {
		return store.Record{}, store.ErrDamaged
	}
	return s.Store.View(ctx, account)
}
