package proxy

import (
	"errors"
	"strconv"
	"time"

	"postern/auth"
)

// refusal is why a client does not get in. Each protocol has its own words for it.
type refusal struct {
	kind  refusalKind
	say   string    // for the client: one sentence, and what to do
	until time.Time // for refuseLater: not before; zero when nobody can say
	err   error     // for the log
}

type refusalKind int

const (
	refusePassword   refusalKind = iota // the local user name or password is wrong
	refuseSignIn                        // a person must sign in to the provider
	refuseLater                         // it passes by itself
	refuseLimit                         // too many sessions
	refuseAdmin                         // the organisation's administrator must act
	refuseConfig                        // the configuration is wrong
	refuseNotAllowed                    // this local password may not do that
)

func (k refusalKind) String() string {
	return [...]string{"wrong password", "sign-in needed", "unavailable", "limit", "admin", "configuration", "not allowed"}[k]
}

// errNoSuchProtocol means that an account's provider does not serve the protocol.
var errNoSuchProtocol = errors.New("the provider does not serve this protocol")

// refuse sorts an error of the way upstream.
func (s *Server) refuse(account string, err error) refusal {
	if errors.Is(err, auth.ErrWrongPassword) {
		return refusal{kind: refusePassword, say: "wrong user name or password", err: err}
	}
	if errors.Is(err, errPaused) {
		p := auth.Paused()
		return refusal{kind: refuseLater, say: p.Say + cure(p), err: err}
	}
	if errors.Is(err, errNoSuchProtocol) {
		return refusal{kind: refuseConfig, say: account + ": " + err.Error(), err: err}
	}
	if full, ok := errors.AsType[errMailboxFull](err); ok {
		return refusal{kind: refuseLimit, say: account + ": " + full.Error(), err: err}
	}
	if no, ok := errors.AsType[errNotAllowed](err); ok {
		return refusal{kind: refuseNotAllowed, say: no.Error(), err: err}
	}
	p, ok := errors.AsType[*auth.Problem](err)
	if !ok {
		return refusal{kind: refuseLater, say: account + ": " + say(err), until: time.Now().Add(retrySoon), err: err}
	}
	r := refusal{say: account + ": " + p.Say, err: err}
	switch p.Class {
	case auth.SignIn:
		r.kind = refuseSignIn
		r.say += "; sign in again: " + s.whereToSignIn(account)
	case auth.Admin:
		r.kind = refuseAdmin
		r.say += cure(p)
	case auth.Configuration:
		r.kind = refuseConfig
		r.say += cure(p)
	default:
		r.kind, r.until = refuseLater, p.RetryAt
		if soonest := time.Now().Add(retrySoon); r.until.Before(soonest) {
			r.until = soonest
		}
	}
	return r
}

// whenToRetry stands behind the sentence of a refusal that passes.
func (r refusal) whenToRetry() string {
	if r.until.IsZero() {
		return ""
	}
	return "; try again in " + strconv.Itoa(seconds(r.until)) + " s"
}

// retrySoon is when a client is told to come back if nobody has said when.
const retrySoon = 5 * time.Second

func cure(p *auth.Problem) string {
	if p.Cure == "" {
		return ""
	}
	return "; " + p.Cure
}

func (s *Server) whereToSignIn(account string) string {
	if s.SignInURL != nil {
		if url := s.SignInURL(account); url != "" {
			return url
		}
	}
	return "postern login " + account
}

// seconds is how long until t, at least 1.
func seconds(t time.Time) int {
	return max(1, int((time.Until(t)+time.Second-1)/time.Second))
}
