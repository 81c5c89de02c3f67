package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"postern/auth"
)

// gates govern how many sessions a mailbox has at once, and keep clients away from a mailbox for as long
// as its server has asked. One mailbox's gate is nobody else's trouble.
type gates struct {
	mu        sync.Mutex // guards what follows, and the gates themselves
	byMailbox map[string]*gate
}

type gate struct {
	inside  int
	closed  time.Time // nobody enters before
	why     string    // the server's words
	changed chan struct{}
}

// errMailboxFull means that a mailbox has as many sessions as it may.
type errMailboxFull struct{ most int }

func (e errMailboxFull) Error() string {
	sessions := "sessions"
	if e.most == 1 {
		sessions = "session"
	}
	return fmt.Sprintf("the mailbox has %d %s already, as many as its server is known to allow; close one", e.most, sessions)
}

// gateKey is a mailbox at a provider, in one protocol: Exchange counts each by itself.
func gateKey(p Protocol, a auth.Account) string {
	return p.name() + " " + a.Provider.Name + " " + strings.ToLower(a.Mailbox)
}

// enter takes one of most places at a mailbox, waiting in a queue for up to patience. leave gives it back.
// The errors are errMailboxFull, *auth.Problem while the gate is closed, and ctx's.
func (g *gates) enter(ctx context.Context, key string, most int, patience time.Duration) (leave func(), err error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		changed, err := g.try(key, most)
		if err != nil {
			return nil, err
		}
		if changed == nil {
			return sync.OnceFunc(func() { g.leave(key) }), nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil, errMailboxFull{most}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// try takes a place, or returns what to wait for.
func (g *gates) try(key string, most int) (changed chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.gate(key)
	if time.Now().Before(m.closed) {
		return nil, &auth.Problem{Class: auth.Retry, Code: "throttled", RetryAt: m.closed, Say: "the server asks for a pause: " + m.why,
			Cure: "let the mail client ask less often"}
	}
	if m.inside >= most {
		return m.changed, nil
	}
	m.inside++
	return nil, nil
}

func (g *gates) gate(key string) *gate {
	if g.byMailbox == nil {
		g.byMailbox = map[string]*gate{}
	}
	m := g.byMailbox[key]
	if m == nil {
		m = &gate{changed: make(chan struct{})}
		g.byMailbox[key] = m
	}
	return m
}

func (g *gates) leave(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.byMailbox[key]
	m.inside--
	close(m.changed)
	m.changed = make(chan struct{})
	if m.inside == 0 && time.Now().After(m.closed) {
		delete(g.byMailbox, key)
	}
}

// shut closes the gate because the server said so.
func (g *gates) shut(key string, pause time.Duration, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.gate(key)
	if until := time.Now().Add(pause); until.After(m.closed) {
		m.closed, m.why = until, why
	}
}

// Throttle is a mailbox that its server wants to be left alone for a while, in one protocol.
type Throttle struct {
	Protocol          string // imap, smtp or pop3
	Provider, Mailbox string
	Until             time.Time
	Said              string // the server's words
}

// throttled lists the mailboxes that must be left alone for now, in no order.
func (g *gates) throttled() (all []Throttle) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, m := range g.byMailbox {
		if time.Now().Before(m.closed) {
			of := strings.SplitN(key, " ", 3) // as gateKey puts it together
			all = append(all, Throttle{Protocol: of[0], Provider: of[1], Mailbox: of[2], Until: m.closed, Said: m.why})
		}
	}
	return all
}
