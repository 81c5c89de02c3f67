package auth

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"postern/internal/store"
)

// twoProcesses are two Managers on one store; the first gives its refreshes to the second.
func twoProcesses(t *testing.T, account *Account) (one, two *fixture) {
	s := &brokenStore{Store: store.NewMemory()}
	two = newFixture(t, fixtureOptions{store: s, account: account})
	one = newFixture(t, fixtureOptions{store: s, account: account})
	one.givesTo(two)
	return one, two
}

// givesTo has another Manager do the refreshes.
func (f *fixture) givesTo(other *fixture) {
	f.apart = func(ctx context.Context, request []byte) ([]byte, error) {
		var output bytes.Buffer
		err := other.RenewApart(ctx, request, &output)
		return output.Bytes(), err
	}
}

func TestRefreshInAnotherProcess(t *testing.T) {
	one, two := twoProcesses(t, nil)
	one.signedIn(0)
	one.get("access-001-secret")
	if one.id.count("") != 0 || two.id.count("refresh_token") != 1 {
		t.Errorf("%d requests here, %d there", one.id.count(""), two.id.count(""))
	}
	if got := one.record().Token.Refresh.Reveal(); got != "refresh-001-secret" {
		t.Errorf("the store has %q", got)
	}
	if !one.log.has(`msg="token refreshed"`) || two.log.String() != "" {
		t.Errorf("logs:\n%s\n%s", one.log, two.log)
	}
	got, err := one.Renew(t.Context(), ann, NewSecret("access-001-secret"))
	if err != nil || got.Access.Reveal() != "access-002-secret" || got.Issued.IsZero() {
		t.Errorf("renewed: %v, %v", got.Access.Reveal(), err)
	}
}

// A failure comes back whole, is held off, and the provider's wish is kept for the next sign-in.
func TestFailureInAnotherProcess(t *testing.T) {
	one, two := twoProcesses(t, nil)
	one.signedIn(0)
	two.id.then(asJSON(400, map[string]any{
		"error": "interaction_required", "error_codes": []int{50076}, "claims": `{"want":"mfa"}`, "correlation_id": "c-1",
	}))
	p := one.fails(SignIn, "AADSTS50076")
	if p.Detail != "correlation=c-1" || time.Until(p.RetryAt) < time.Minute {
		t.Errorf("%+v", p)
	}
	one.fails(SignIn, "AADSTS50076")
	if n := two.id.count(""); n != 1 {
		t.Errorf("%d requests; want 1", n)
	}
	b, err := one.BeginBrowser(t.Context(), ann)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if !strings.Contains(b.URL(), "claims=%7B%22want") {
		t.Errorf("the claims are missing in %s", b.URL())
	}
	if got := one.record().Token.Refresh.Reveal(); got != "first-refresh-secret" {
		t.Errorf("the store has %q", got)
	}
}

// What another process could not save is saved by this one, which has it too.
func TestUnsavedInAnotherProcess(t *testing.T) {
	one, two := twoProcesses(t, nil)
	one.signedIn(0)
	one.store.(*brokenStore).lose = 1
	one.fails(Retry, "store")
	one.get("access-001-secret")
	if here, there := one.id.count(""), two.id.count(""); here != 0 || there != 1 {
		t.Errorf("%d requests here, %d there", here, there)
	}
	if got := one.record().Token.Refresh.Reveal(); got != "refresh-001-secret" {
		t.Errorf("the store has %q", got)
	}
}

// A refresh token that came beside an unusable access token is kept by whichever process can.
func TestUnusableTokenInAnotherProcess(t *testing.T) {
	for _, lose := range []int{0, 1} {
		one, two := twoProcesses(t, nil)
		one.signedIn(0)
		two.id.then(two.id.reply(unusable["token-type"]))
		one.store.(*brokenStore).lose = lose
		one.fails(Configuration, "token-type")
		one.fails(Configuration, "token-type")
		if got := one.record().Token.Refresh.Reveal(); got != "refresh-001-secret" {
			t.Errorf("after %d losses the store has %q", lose, got)
		}
		if here, there := one.id.count(""), two.id.count(""); here != 0 || there != 1 {
			t.Errorf("%d requests here, %d there", here, there)
		}
	}
}

// Where the other process can not begin, this one does the work.
func TestAnotherProcessThatDoesNotBegin(t *testing.T) {
	other := annAccount()
	other.ClientID = "another-client"
	changed := newFixture(t, fixtureOptions{account: &other})
	changed.signedIn(0)
	for name, apart := range map[string]Apart{
		"does not start": func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no such file") },
		"says nothing":   func(context.Context, []byte) ([]byte, error) { return nil, nil },
		"has another configuration": func(ctx context.Context, request []byte) ([]byte, error) {
			var output bytes.Buffer
			err := changed.RenewApart(ctx, request, &output)
			return output.Bytes(), err
		},
		"is of another version": func(ctx context.Context, request []byte) ([]byte, error) {
			var output bytes.Buffer
			request = bytes.Replace(request, []byte(`"Version":1`), []byte(`"Version":2`), 1)
			err := changed.RenewApart(ctx, request, &output)
			return output.Bytes(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, fixtureOptions{})
			f.apart = apart
			f.signedIn(0)
			f.get("access-001-secret")
		})
	}
	if n := changed.id.count(""); n != 0 {
		t.Errorf("%d requests with another configuration", n)
	}
}

// A store whose directory was taken away may be an empty one for the other process. This one knows better.
func TestAnotherProcessThatSeesNoTokens(t *testing.T) {
	one, empty := newFixture(t, fixtureOptions{}), newFixture(t, fixtureOptions{})
	one.givesTo(empty)
	one.signedIn(0)
	one.get("access-001-secret")
	if here, there := one.id.count(""), empty.id.count(""); here != 1 || there != 0 {
		t.Errorf("%d requests here, %d there", here, there)
	}
}

// Where a store was taken away a backup may stand: the token in it may be used up, which the other process can not know.
func TestNoOtherProcessWhileTheStoreIsAway(t *testing.T) {
	s := &awayStore{Store: store.NewMemory()}
	one, backup := newFixture(t, fixtureOptions{store: s}), newFixture(t, fixtureOptions{})
	one.givesTo(backup)
	one.signedIn(0)
	backup.signedIn(0)
	s.away = true
	one.get("access-001-secret")
	if here, there := one.id.count(""), backup.id.count(""); here != 1 || there != 0 {
		t.Errorf("%d requests here, %d there", here, there)
	}
}

// A refresh token that may be used up already is not presented again by whoever does not know.
func TestAnotherProcessThatBreaksOff(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.apart = func(context.Context, []byte) ([]byte, error) { return []byte("begun\n"), errors.New("signal: killed") }
	f.signedIn(0)
	f.fails(Retry, "broken-off")
	f.signedIn(2 * time.Minute)
	f.get("first-access-secret") // enough for a login
	f.apart = func(context.Context, []byte) ([]byte, error) {
		f.signedIn(time.Hour)
		return []byte("begun\n{"), nil
	}
	f.signedIn(0)
	f.get("first-access-secret") // it had come as far as the store
	if n := f.id.count(""); n != 0 {
		t.Errorf("%d requests; want none", n)
	}
}

// Where a used refresh token stays good, and where there is none, no process is started.
func TestRefreshesThatStayHere(t *testing.T) {
	m := newFixture(t, fixtureOptions{})
	m.apart = func(context.Context, []byte) ([]byte, error) { return nil, nil }
	for name, p := range BuiltIn() {
		a := annAccount()
		a.Provider, a.Tenant, a.Flow = p, "common", FlowBrowser
		want := !strings.HasPrefix(name, "outlook") && !strings.HasPrefix(name, "microsoft365") && name != "gmail"
		if got := m.goesApart(a); got != want {
			t.Errorf("%s: apart %v", name, got)
		}
		a.Provider, a.Flow = fakeProvider(), FlowClientCredentials
		if m.goesApart(a) {
			t.Error("an app has no refresh token")
		}
	}
}
