package auth

import (
	"context"
	"net/url"
	"os"
	"strings"
	"time"

	"postern/internal/store"
)

// SignInApp gets a token for an account of FlowClientCredentials (RFC 6749 section 4.4) and keeps it; from then
// on Token renews it. ErrUnknownAccount, or a *Problem.
func (m *Manager) SignInApp(ctx context.Context, email string) error {
	account, err := m.Account(ctx, email)
	if err != nil {
		return err
	}
	if account.Flow != FlowClientCredentials {
		return newProblem("person-flow", about{account: account})
	}
	if account.ClientID == "" {
		return newProblem("no-client-id", about{account: account})
	}
	s := signIn{m: m, account: account, flow: FlowClientCredentials}
	if err := m.begin(); err != nil {
		return err
	}
	defer m.running.Done()
	s.started()
	t, p := m.askAsApp(ctx, account, &store.Token{})
	if p != nil {
		return s.ended(p)
	}
	return s.ended(s.save(ctx, t))
}

// askAsApp gets a token in place of old, which it returns with a Problem. A refresh token does not come along; one that
// a person's sign-in has left stays, in case the flow was changed by mistake.
func (m *Manager) askAsApp(ctx context.Context, account Account, old *store.Token) (store.Token, *Problem) {
	scopes := account.appScopes()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")}}
	got, before, p := m.ask(ctx, account, form)
	if p != nil {
		return *old, p
	}
	got.RefreshToken = ""
	t := *old
	t.Scopes = scopes
	t = account.noted(take(t, got, before))
	if t.SignedInAt.IsZero() {
		t.SignedInAs, t.SignedInAt = "app "+account.ClientID, before
	} else {
		t.RefreshedAt = before
	}
	return t, nil
}

// beginsByItself says whether the account's first token needs nobody: it is an app's, and nobody has signed it out. As
// long as it could not be got, the record has an empty one.
func (a Account) beginsByItself(rec store.Record) bool {
	return a.Flow == FlowClientCredentials && a.ClientID != "" && rec.Token == nil && rec.LoggedOut.IsZero()
}

// isApp says whether the account is an app's, also when its settings are wrong otherwise.
func (m *Manager) isApp(email string, rec store.Record) bool {
	if _, declared := m.settings.Load().declared[email]; !declared && rec.Settings == nil {
		return false
	}
	a, _ := m.account(email, rec)
	return a.Flow == FlowClientCredentials
}

// checkApp finds what keeps an app from signing in by itself.
func (a Account) checkApp() error {
	if strings.Contains(a.Provider.TokenURL, "{tenant}") && a.speaksMicrosoft() && isSharedTenant(a.Tenant) {
		return newProblem("app-tenant", about{account: a})
	}
	if a.ClientSecretFile == "" && a.ClientCertificate == "" {
		return newProblem("app-proof", about{account: a})
	}
	return nil
}

// prove adds the client id and, where the account has one, the proof of the app: a secret in the form (RFC 6749
// section 2.3.1) or an assertion. A public client sends neither, or Microsoft refuses it (AADSTS700025).
func (a Account) prove(form url.Values) *Problem {
	form.Set("client_id", a.ClientID)
	switch {
	case a.ClientSecretFile != "":
		secret, err := readSecret(a.ClientSecretFile)
		if err != nil {
			p := newProblem("app-secret", about{account: a, detail: err.Error()})
			p.Err = err
			return p
		}
		form.Set("client_secret", secret.Reveal())
	case a.ClientCertificate != "":
		assertion, err := a.assertion(time.Now())
		if err != nil {
			p := newProblem("app-certificate", about{account: a, detail: err.Error()})
			p.Err = err
			return p
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion.Reveal())
	}
	return nil
}

// readSecret reads the file each time, so that a new secret needs no restart.
func readSecret(path string) (Secret, error) {
	b, err := readSmall(path)
	if err != nil {
		return Secret{}, err
	}
	s := strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff"))
	if s == "" || strings.ContainsAny(s, "\r\n\x00") {
		return Secret{}, &os.PathError{Op: "read", Path: path, Err: errNoSecret}
	}
	return NewSecret(s), nil
}
