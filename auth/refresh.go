package auth

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"postern/internal/store"
)

// renewal is one attempt to get a new access token, inside one store.Update.
type renewal struct {
	m        *Manager
	account  Account
	rejected Secret

	found   store.Token  // what the store has
	token   *store.Token // what it is to have, when that may be handed out then
	gained  bool         // the provider gave token, or the refresh token in it
	problem *Problem
	at      time.Time // of problem, when it is the provider's
}

// refresh gets a new access token, unless another process was quicker. What it returns is durable.
func (m *Manager) refresh(ctx context.Context, account Account, seen store.Token, rejected Secret) (Token, error) {
	r := &renewal{m: m, account: account, rejected: rejected, found: seen}
	if m.goesApart(account) {
		if t, done, err := m.refreshApart(ctx, r); done {
			return t, err
		}
	}
	err := m.store.Update(ctx, account.Email, func(rec *store.Record) error { return r.change(ctx, rec) })
	return r.outcome(err)
}

// errHeld means that nothing was changed and nothing has to be written.
var errHeld = errors.New("not asked")

// change runs while nobody else can change the record.
func (r *renewal) change(ctx context.Context, rec *store.Record) error {
	if rec.Token == nil && r.account.beginsByItself(*rec) {
		rec.Token = new(store.Token)
	}
	if rec.Token == nil { // logged out meanwhile
		r.problem = newProblem("not-connected", about{account: r.account})
		return errHeld
	}
	if !r.account.owns(rec.Token) { // signed in with other settings meanwhile
		r.problem = newProblem("other-app", about{account: r.account})
		return errHeld
	}
	r.found = *rec.Token
	now := time.Now()
	if u := r.m.unsavedFor(r.account.Email, rec.Token.Refresh); u != nil {
		*rec.Token, rec.Problem = u.token, nil
		r.token, r.gained = new(u.token), true
	}
	if rec.Token.Access != r.rejected && isFresh(rec.Token, now) {
		r.token = new(*rec.Token)
		return nil
	}
	if r.problem = r.m.held(r.account.Email, *rec, now); r.problem != nil {
		if r.token != nil { // there is something to write all the same
			rec.Problem = r.m.lastProblem(r.account.Email, *rec)
			return nil
		}
		return errHeld
	}
	got, p := r.ask(ctx, rec.Token)
	var failure *store.Problem
	if p != nil {
		r.problem, r.at = p, time.Now().Round(0)
		p.schedule(r.m.lastProblem(r.account.Email, *rec), r.at)
		failure = p.stored(r.at)
	}
	if p == nil || got.Refresh != rec.Token.Refresh {
		r.token, r.gained = new(got), true
	}
	*rec.Token, rec.Problem = got, failure
	return nil
}

// ask makes the request and returns what the account has then, also with a Problem. An app proves itself again; a
// person's sign-in has a refresh token (RFC 6749 section 6).
func (r *renewal) ask(ctx context.Context, old *store.Token) (store.Token, *Problem) {
	if r.account.Flow == FlowClientCredentials {
		return r.m.askAsApp(ctx, r.account, old)
	}
	if old.Refresh.IsZero() { // an app's tokens, and the account is a person's now
		return *old, newProblem("not-connected", about{account: r.account})
	}
	asked := r.account.refreshScopes(old.Scopes)
	if r.m.mustAskForNext(r.account) {
		asked = append(asked, "offline_access")
	}
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {old.Refresh.Reveal()}, "scope": {strings.Join(asked, " ")},
	}
	// Who left before the answer would lose the refresh token in it. The request has an end of its own.
	got, before, p := r.m.ask(context.WithoutCancel(ctx), r.account, form)
	if p != nil {
		return takeRefresh(*old, got), p
	}
	r.m.gaveNext(r.account, got.RefreshToken != "")
	t := r.account.noted(take(*old, got, before))
	t.RefreshedAt = before
	return t, nil
}

// mustAskForNext says whether a refresh has to name offline_access to get the next refresh token. Microsoft's
// documentation can be read so, its examples do without; servers that keep RFC 6749 section 6 to the letter
// refuse it (oidc-provider 9). So it is named only where an answer without it brought no refresh token.
func (m *Manager) mustAskForNext(a Account) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return a.speaksMicrosoft() && m.liveLocked(a.Email).noNext
}

func (m *Manager) gaveNext(a Account, gave bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.liveLocked(a.Email); !gave {
		l.noNext = true
	}
}

// ask posts form with the app's proof to the token endpoint and returns what came, and when it was asked for. With a
// Problem the answer's access token is no good; its refresh token, where it has one, may be.
func (m *Manager) ask(ctx context.Context, a Account, form url.Values) (answer, time.Time, *Problem) {
	if p := a.prove(form); p != nil {
		return answer{}, time.Time{}, p
	}
	before := time.Now().Round(0)
	got, p := m.endpoint.post(ctx, a, a.Provider.TokenURL, form)
	if p == nil {
		p = got.checkToken(about{account: a, host: hostOf(a.at(a.Provider.TokenURL))})
	}
	if p != nil {
		m.keepClaims(a.Email, p)
	}
	return got, before, p
}

// outcome says what the caller gets, now that it is known what the store has.
func (r *renewal) outcome(err error) (Token, error) {
	usable := &r.found   // the latest token that is durable
	var refusal *Problem // of the store; nil = saved
	switch {
	case errors.Is(err, errHeld):
		return lastResort(usable, r.rejected, r.problem)
	case err != nil:
		refusal = r.m.storeProblem(r.account.Email, err)
		r.problem = cmp.Or(r.problem, refusal)
	case r.token != nil:
		usable = r.token
	}
	r.m.remember(r, refusal)
	r.report()
	if r.problem == nil {
		return handOut(r.token), nil
	}
	if t := r.unrotated(refusal == nil); t != nil {
		return handOut(t), nil
	}
	return lastResort(usable, r.rejected, r.problem)
}

// unrotated is a new access token that the store could not take but that is safe to use: its refresh token is
// the one that the store has.
func (r *renewal) unrotated(saved bool) *store.Token {
	t := r.token
	if u := r.m.unsavedFor(r.account.Email, r.found.Refresh); t == nil && u != nil {
		t = &u.token
	}
	if saved || t == nil || t.Refresh != r.found.Refresh || t.Access == r.rejected || !isFresh(t, time.Now()) {
		return nil
	}
	return t
}

func (r *renewal) report() {
	if r.problem == nil {
		if r.gained {
			r.m.reportGain(r.account.Email, r.token)
		}
		return
	}
	r.m.refreshes.failed[r.problem.Class].Add(1)
	r.m.log.Warn("token refresh failed", "account", r.account.Email, "class", r.problem.Class.String(), "code", r.problem.Code,
		"retry_in", time.Until(r.problem.RetryAt).Round(time.Second), "detail", r.problem.Detail, "err", r.problem.Error(), "audit", true)
}

func (m *Manager) reportGain(email string, t *store.Token) {
	m.refreshes.done.Add(1)
	m.log.Info("token refreshed", "account", email, "expires", t.Expiry, "audit", true)
}

// take puts what came from the token endpoint into t.
func take(t store.Token, got answer, at time.Time) store.Token {
	t.Access = NewSecret(got.AccessToken)
	t.Expiry = at.Add(got.life())
	if len(got.Scope) > 0 {
		t.Scopes = got.Scope
	}
	return takeRefresh(t, got)
}

// takeRefresh takes the refresh token alone: where the access token beside it is no good, the one that t has may be
// dead all the same. An answer without a refresh token leaves that of t: RFC 6749 section 6, and Google's usual way.
func takeRefresh(t store.Token, got answer) store.Token {
	if got.RefreshToken != "" {
		t.Refresh = NewSecret(got.RefreshToken)
	}
	return t
}
