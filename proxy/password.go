package proxy

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"postern/auth"
)

// checkPassword asks whether the local password is right. A no comes after a delay that grows with each
// no for that user from that address, and takes the same time whatever was wrong; a yes comes at once,
// however many noes went before.
func (s *session) checkPassword(ctx context.Context, o offer) (auth.Login, error) {
	key := penaltyKey(o.user, s.conn.RemoteAddr())
	began := time.Now()
	login, err := s.tryPassword(ctx, o)
	if !errors.Is(err, auth.ErrWrongPassword) {
		if err == nil {
			s.server.penalties.forgive(key)
		}
		return login, err
	}
	wait := time.NewTimer(time.Until(began.Add(s.server.penalties.next(key))))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return auth.Login{}, context.Cause(ctx)
	case <-wait.C:
		return auth.Login{}, err
	}
}

// tryPassword refuses what no local password can have. ^A separates the fields of XOAUTH2, and a line
// end would begin another command.
func (s *session) tryPassword(ctx context.Context, o offer) (auth.Login, error) {
	if hasControl(o.user) || hasControl(o.password.Reveal()) {
		return auth.Login{}, auth.ErrWrongPassword
	}
	return s.server.Accounts.CheckPassword(ctx, o.user, o.password)
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// penalties remembers wrong passwords.
type penalties struct {
	mu    sync.Mutex // guards count
	count map[string]penalty
}

type penalty struct {
	failures int
	last     time.Time
}

const (
	firstPenalty = 500 * time.Millisecond // longer than any password check, so that its time tells nothing
	mostPenalty  = 8 * time.Second
	penaltyLife  = 10 * time.Minute
)

// mostUser is more than a mail address has (RFC 5321 section 4.5.3.1).
const mostUser = 320

// penaltyKey is short whatever a client sends as its name: it is kept for minutes, and there can be thousands.
func penaltyKey(user string, remote net.Addr) string {
	host, _, _ := net.SplitHostPort(remote.String())
	return strings.ToLower(user[:min(len(user), mostUser)]) + "\x00" + host
}

// next says how long the answer to one more wrong password takes.
func (p *penalties) next(key string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.count == nil {
		p.count = map[string]penalty{}
	}
	if len(p.count) > 10_000 {
		p.sweep(now)
	}
	e := p.count[key]
	if now.Sub(e.last) > penaltyLife {
		e = penalty{}
	}
	wait := min(firstPenalty<<min(e.failures, 10), mostPenalty)
	p.count[key] = penalty{failures: e.failures + 1, last: now}
	return wait
}

// sweep forgets what is old, or all when a flood of names keeps everything young.
func (p *penalties) sweep(now time.Time) {
	for k, e := range p.count {
		if now.Sub(e.last) > penaltyLife {
			delete(p.count, k)
		}
	}
	if len(p.count) > 10_000 {
		clear(p.count)
	}
}

func (p *penalties) forgive(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.count, key)
}
