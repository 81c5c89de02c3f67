package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"postern/internal/store"
)

// Apart calls RenewApart of another Manager, on the same store and with the same configuration, in a process
// that lives on when this one is killed. request is for RenewApart; output is what that has written. Without
// output the other Manager has done nothing, whatever the error says.
//
// Why: some providers (RFC 9700 section 4.14.2) end the whole sign-in when a refresh token comes twice. A
// process that is killed between the provider's answer and its own writing would leave the used token in the
// store for its successor, and no order of writing helps: the answer is still on its way.
type Apart func(ctx context.Context, request []byte) (output []byte, err error)

// apartVersion is raised when what follows changes: an upgrade replaces the program under a running daemon.
const apartVersion = 1

// apartRequest travels through a pipe, never as an argument.
type apartRequest struct {
	Version  int
	Account  json.RawMessage // as the one who asks knows it, see likeness
	Rejected []byte          // an access token
}

// apartOutcome is a renewal after its change, and how the writing went.
type apartOutcome struct {
	Held, Gained, Saved bool
	Found               apartToken
	Token               *apartToken
	Problem             *apartProblem
	At                  time.Time
	Claims              string
	Unsaved             string // what the store said
}

type apartToken struct {
	store.Token
	Access, Refresh []byte // the Token's own would come out as REDACTED
}

type apartProblem struct {
	Problem
	Pause, RetryAfter time.Duration
	Err               string
}

// refreshApart lets another process do a refresh. done is false when this process has to do it itself.
func (m *Manager) refreshApart(ctx context.Context, r *renewal) (t Token, done bool, err error) {
	if _, err := m.store.List(ctx); errors.Is(err, store.ErrAway) { // an older directory may stand there, with a used token
		return Token{}, false, nil
	}
	request, err := json.Marshal(apartRequest{apartVersion, likeness(r.account), []byte(r.rejected.Reveal())})
	if err != nil {
		return Token{}, false, nil
	}
	output, err := m.apart(ctx, request)
	if len(output) == 0 && ctx.Err() == nil {
		if err != nil {
			m.log.Debug("refresh not given away", "account", r.account.Email, "err", err)
		}
		return Token{}, false, nil
	}
	_, last, _ := bytes.Cut(output, []byte("\n"))
	var o apartOutcome
	if json.Unmarshal(last, &o) != nil {
		t, err = m.brokenOff(ctx, r, err)
		return t, true, err
	}
	if o.sawNothing() { // it has looked into another store than ours, or the account is logged out: then ours says so
		return Token{}, false, nil
	}
	m.store.View(ctx, r.account.Email) // so that a store that is taken away has what the other process wrote
	t, err = r.outcome(o.into(r))
	return t, true, err
}

// goesApart says whether a refresh is worth a process of its own, and whether all that has to be known of it
// is in the store.
func (m *Manager) goesApart(a Account) bool {
	if m.apart == nil || a.Flow == FlowClientCredentials || a.keepsOld() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.live[a.Email]
	return l == nil || l.unsaved == nil && (l.refused == nil || l.refused.written)
}

// keepsOld says that the provider is known to let a refresh token come again after its use: Microsoft does
// not revoke it (learn.microsoft.com, "Refresh tokens in the Microsoft identity platform"), Google does not
// replace it.
func (a Account) keepsOld() bool {
	switch hostOf(a.at(a.Provider.TokenURL)) {
	case "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "oauth2.googleapis.com":
		return true
	}
	return false
}

// likeness is what two processes compare to know that they mean the same by an account.
func likeness(a Account) json.RawMessage {
	a.Provider.RootCAs, a.PasswordHash = nil, ""
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return b
}

// brokenOff is a refresh of which nobody can tell how it went. The store may know.
func (m *Manager) brokenOff(ctx context.Context, r *renewal, cause error) (Token, error) {
	now := time.Now()
	if rec, err := m.store.View(ctx, r.account.Email); err == nil && rec.Token != nil {
		r.found = *rec.Token
		if r.found.Access != r.rejected && isFresh(&r.found, now) {
			return handOut(&r.found), nil
		}
	}
	r.problem = newProblem("broken-off", about{account: r.account})
	r.problem.Err = cause
	r.problem.schedule(nil, now)
	r.report()
	return lastResort(&r.found, r.rejected, r.problem)
}

// RenewApart does what a Manager in another process has given away through its Apart. It writes a first line
// before it begins, and the outcome behind it; where it can not begin it writes nothing, and the error says why. It
// does not end when ctx does, nor when nobody reads what it writes.
func (m *Manager) RenewApart(ctx context.Context, request []byte, output io.Writer) error {
	ctx, cancel := unhurried(ctx)
	defer cancel()
	var asked apartRequest
	if err := json.Unmarshal(request, &asked); err != nil || asked.Version != apartVersion {
		return errors.New("the request can not be read")
	}
	var named struct{ Email string }
	if err := json.Unmarshal(asked.Account, &named); err != nil {
		return errors.New("the request names no account")
	}
	account, err := m.Account(ctx, named.Email)
	if err != nil {
		return err
	}
	if !bytes.Equal(likeness(account), asked.Account) {
		return errors.New("the configuration has changed")
	}
	r := &renewal{m: m, account: account, rejected: NewSecret(string(asked.Rejected))}
	begun := false
	err = m.store.Update(ctx, account.Email, func(rec *store.Record) error {
		begun = true
		io.WriteString(output, "begun\n")
		return r.change(ctx, rec)
	})
	if !begun {
		return err
	}
	return json.NewEncoder(output).Encode(m.outcomeOf(r, err))
}

func (m *Manager) outcomeOf(r *renewal, err error) apartOutcome {
	o := apartOutcome{
		Held: errors.Is(err, errHeld), Gained: r.gained, Saved: err == nil, Found: *newApartToken(&r.found), Token: newApartToken(r.token),
		At: r.at,
	}
	if err != nil && !o.Held {
		o.Unsaved = err.Error()
	}
	if p := r.problem; p != nil {
		o.Problem = &apartProblem{Problem: *p, Pause: p.pause, RetryAfter: p.retryAfter}
		if p.Err != nil {
			o.Problem.Err = p.Err.Error()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.live[r.account.Email]; l != nil {
		o.Claims = l.claims
	}
	return o
}

// sawNothing says that there were no tokens, so that nothing was done.
func (o *apartOutcome) sawNothing() bool {
	return o.Held && len(o.Found.Access) == 0 && len(o.Found.Refresh) == 0
}

// into makes r what it would be if its change had run here, and returns what the store has said to it.
func (o *apartOutcome) into(r *renewal) error {
	r.found, r.gained, r.at = *o.Found.token(), o.Gained, o.At
	r.token = o.Token.token()
	if p := o.Problem; p != nil {
		r.problem = new(p.Problem)
		r.problem.pause, r.problem.retryAfter = p.Pause, p.RetryAfter
		if p.Err != "" {
			r.problem.Err = errors.New(p.Err)
		}
	}
	if o.Claims != "" {
		r.m.mu.Lock()
		r.m.liveLocked(r.account.Email).claims = o.Claims
		r.m.mu.Unlock()
	}
	switch {
	case o.Held:
		return errHeld
	case !o.Saved:
		return unsavedApart(o.Unsaved)
	}
	return nil
}

// unsavedApart is an error of the store in another process.
type unsavedApart string

func (e unsavedApart) Error() string { return string(e) }
func (e unsavedApart) Unwrap() error { return store.ErrUnavailable }

func newApartToken(t *store.Token) *apartToken {
	if t == nil {
		return nil
	}
	return &apartToken{Token: *t, Access: []byte(t.Access.Reveal()), Refresh: []byte(t.Refresh.Reveal())}
}

func (t *apartToken) token() *store.Token {
	if t == nil {
		return nil
	}
	own := t.Token
	own.Access, own.Refresh = NewSecret(string(t.Access)), NewSecret(string(t.Refresh))
	return &own
}
