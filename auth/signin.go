package auth

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"postern/internal/store"
)

// signIn is one way to new tokens, whatever the flow.
type signIn struct {
	m       *Manager
	account Account
	flow    Flow
	as      string // who signed in, once that is known
}

// newSignIn checks that a person can sign the account in. ErrUnknownAccount, or a *Problem.
func (m *Manager) newSignIn(ctx context.Context, email string, flow Flow) (*signIn, error) {
	account, err := m.Account(ctx, email)
	if err != nil {
		return nil, err
	}
	key := ""
	switch {
	case account.Flow == FlowClientCredentials:
		key = "app-flow"
	case account.ClientID == "":
		key = "no-client-id"
	case flow == FlowBrowser && account.Provider.AuthorizeURL == "":
		key = "no-browser-flow"
	case flow == FlowDevice && account.Provider.DeviceURL == "":
		key = "no-device-flow"
	}
	if key != "" {
		return nil, newProblem(key, about{account: account})
	}
	return &signIn{m: m, account: account, flow: flow}, nil
}

// redeem exchanges what the person brought for tokens and keeps them, if they are the right ones.
func (s *signIn) redeem(ctx context.Context, form url.Values) error {
	asked := s.account.signInScopes()
	got, before, p := s.m.ask(ctx, s.account, form)
	if p != nil {
		return p
	}
	return s.keep(ctx, got, asked, before)
}

func (s *signIn) keep(ctx context.Context, got answer, asked []string, at time.Time) error {
	if p := s.check(got, asked); p != nil {
		return p
	}
	t := s.account.noted(take(store.Token{Scopes: asked, SignedInAs: s.as, SignedInAt: at}, got, at))
	return s.save(ctx, t)
}

// check finds what would make the account unusable later, while a person is there to mend it.
func (s *signIn) check(got answer, asked []string) *Problem {
	a := about{account: s.account}
	if got.RefreshToken == "" {
		return newProblem("no-refresh-token", a)
	}
	if len(got.Scope) > 0 { // without the member everything was granted, RFC 6749 section 5.1
		if missing := missingScopes(asked, got.Scope); len(missing) > 0 {
			a.detail = strings.Join(missing, " ")
			return newProblem("scope-missing", a)
		}
	}
	if got.IDToken == "" {
		return nil
	}
	who, err := readIDToken(got.IDToken)
	if err != nil {
		a.detail = err.Error()
		return newProblem("bad-response", a)
	}
	s.as = who.String()
	if s.as != "" && !who.is(s.account.SignInAs) {
		a.detail = s.as
		return newProblem("wrong-account", a)
	}
	return nil
}

// save keeps the tokens. Whoever waits may leave; the person has done their part.
func (s *signIn) save(ctx context.Context, t store.Token) error {
	ctx, cancel := unhurried(ctx)
	defer cancel()
	err := s.m.update(ctx, s.account.Email, func(r *store.Record) error {
		if !s.account.Declared && r.Settings == nil { // removed meanwhile
			return unknownAccount(s.account.Email)
		}
		r.Token, r.Problem = &t, nil
		return nil
	})
	switch {
	case err == nil:
		s.as = t.SignedInAs
		s.m.forget(s.account.Email)
	case !errors.Is(err, ErrUnknownAccount):
		s.m.keepForLater(s.account.Email, t, err)
	}
	return err
}

func (s *signIn) started() {
	s.m.log.Info("sign-in started", "account", s.account.Email, "flow", string(s.flow), "audit", true)
}

// ended reports how the sign-in went and returns err.
func (s *signIn) ended(err error) error {
	if err == nil {
		s.m.log.Info("signed in", "account", s.account.Email, "flow", string(s.flow), "as", s.as, "audit", true)
		return nil
	}
	class, code, detail := "", "", ""
	if p, ok := errors.AsType[*Problem](err); ok {
		class, code, detail = p.Class.String(), p.Code, p.Detail
	}
	s.m.log.Warn("sign-in failed", "account", s.account.Email, "flow", string(s.flow), "class", class, "code", code,
		"detail", detail, "err", err.Error(), "audit", true)
	return err
}

// Logout forgets an account's tokens and keeps the account and its local passwords; where the provider offers
// it (RFC 7009), it is told. ErrUnknownAccount, or a *Problem.
func (m *Manager) Logout(ctx context.Context, email string) error {
	email = addressKey(email)
	rec, err := m.store.View(ctx, email)
	_, declared := m.settings.Load().declared[email]
	switch {
	case errors.Is(err, store.ErrNotFound) && !declared:
		return unknownAccount(email)
	case errors.Is(err, store.ErrNotFound) && m.isApp(email, rec): // its first token must not come by itself
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return m.storeProblem(email, err)
	}
	m.endSignIn(email)
	var was *store.Token
	err = m.update(ctx, email, func(r *store.Record) error {
		was, r.Token, r.Problem = r.Token, nil, nil
		if was != nil || m.isApp(email, *r) {
			r.LoggedOut = time.Now().Round(0)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if was != nil {
		if u := m.unsavedFor(email, was.Refresh); u != nil { // the one in the store is used up
			was = &u.token
		}
	}
	m.forget(email)
	m.log.Info("signed out", "account", email, "audit", true)
	if declared || rec.Settings != nil {
		if account, err := m.account(email, rec); err == nil {
			m.revoke(ctx, account, was)
		}
	}
	return nil
}

const revokeLimit = 10 * time.Second

// revoke tells the provider that a refresh token is not used any more. The token is forgotten here whatever
// the provider says, so a failure is only logged.
func (m *Manager) revoke(ctx context.Context, account Account, t *store.Token) {
	if t == nil || t.Refresh.IsZero() || account.Provider.RevokeURL == "" || !account.owns(t) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, revokeLimit)
	defer cancel()
	form := url.Values{"token": {t.Refresh.Reveal()}, "token_type_hint": {"refresh_token"}}
	p := account.prove(form)
	if p == nil {
		p = m.endpoint.tell(ctx, account, account.Provider.RevokeURL, form)
	}
	if p != nil {
		m.log.Warn("revocation failed", "account", account.Email, "code", p.Code, "err", p.Error(), "audit", true)
	}
}
