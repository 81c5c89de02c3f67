package proxy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"postern/auth"
)

// Trouble is why a mailbox did not open when a client last wanted it.
type Trouble struct {
	Account  string
	Protocol string // imap, smtp or pop3
	At       time.Time
	Problem  *auth.Problem
}

// lastTroubles keeps the last one of each account in each protocol until the mailbox opens again. Package auth keeps
// what goes wrong with tokens; this is what the mail servers say, and who looks for it has not read the log.
type lastTroubles struct {
	mu   sync.Mutex // guards last
	last map[troubleKey]Trouble
}

type troubleKey struct{ account, protocol string }

// note takes the outcome of a login upstream. An end that came from our side tells nothing.
func (t *lastTroubles) note(ctx context.Context, p Protocol, account auth.Account, err error) {
	problem, known := errors.AsType[*auth.Problem](err)
	if err != nil && !known || errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := troubleKey{account.Email, p.name()}
	if err == nil {
		delete(t.last, key)
		return
	}
	if t.last == nil {
		t.last = map[troubleKey]Trouble{}
	}
	t.last[key] = Trouble{Account: account.Email, Protocol: p.name(), At: time.Now(), Problem: problem}
}

// list returns them in no order.
func (t *lastTroubles) list() []Trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.last))
}
