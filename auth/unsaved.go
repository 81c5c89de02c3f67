package auth

import (
	"context"
	"errors"
	"time"

	"postern/internal/store"
)

const (
	// saveEvery is how often a store that did not take how a refresh went is tried again.
	saveEvery = 5 * time.Second
	// saveAtEnd is how long the end of the process is held up for it.
	saveAtEnd = 2 * time.Second
)

// unsaved are tokens that the provider gave and the store could not keep. The next attempt writes them, so
// that a refresh token which the provider has replaced is never presented again.
type unsaved struct {
	replaces Secret // the refresh token in the store when they were got
	token    store.Token
}

// unwritten says that the store did not take how a refresh went, or did not even let it begin. It holds until
// something is written to the record, by whichever process.
type unwritten struct {
	found   store.Token // what the store had then
	problem *Problem    // the store's
}

// unsavedFor returns the tokens that wait to be written over the refresh token in the store. When the store
// has another one meanwhile, they are of no use any more.
func (m *Manager) unsavedFor(email string, inStore Secret) *unsaved {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.live[email]
	if l == nil || l.unsaved == nil {
		return nil
	}
	if l.unsaved.replaces != inStore {
		l.unsaved = nil
		return nil
	}
	return l.unsaved
}

// notWrittenLocked notes the trouble, and has Keep try again. The caller holds m.mu.
func (m *Manager) notWrittenLocked(l *live, found store.Token, p *Problem) {
	l.unwritten = &unwritten{found, p}
	select {
	case m.unkept <- struct{}{}:
	default: // Keep has not seen the last one yet
	}
}

// keepForLater keeps the tokens of a sign-in that the store did not take, if there are others for them to replace:
// without those, an account that waits for them looks like one that was signed out meanwhile.
func (m *Manager) keepForLater(email string, t store.Token, why error) {
	rec, err := m.store.View(context.Background(), email)
	if err != nil || rec.Token == nil {
		return
	}
	p, ok := errors.AsType[*Problem](why)
	if !ok {
		p = m.storeProblem(email, why)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.liveLocked(email)
	l.unsaved = &unsaved{replaces: rec.Token.Refresh, token: t}
	m.notWrittenLocked(l, *rec.Token, p)
}

// notWritten returns what keeps the store from taking how the last refresh went, nil when nothing does. inStore is
// what the record has.
func (m *Manager) notWritten(email string, inStore *store.Token) *Problem {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.live[email]
	if l == nil || l.unwritten == nil || inStore == nil ||
		inStore.Refresh != l.unwritten.found.Refresh || inStore.Access != l.unwritten.found.Access {
		return nil
	}
	return new(*l.unwritten.problem)
}

// saveAll begins to write what was not written.
func (m *Manager) saveAll(ctx context.Context) {
	for _, email := range m.namesOf(func(l *live) bool { return l.unwritten != nil }) {
		if m.begin() != nil {
			return
		}
		go func() {
			defer m.running.Done()
			ctx, cancel := context.WithTimeout(ctx, saveEvery)
			defer cancel()
			m.save(ctx, email)
		}()
	}
}

// saveLast is for the end of the process, with which unsaved tokens are gone.
func (m *Manager) saveLast() {
	ctx, cancel := context.WithTimeout(context.Background(), saveAtEnd)
	defer cancel()
	for _, email := range m.namesOf(func(l *live) bool { return l.unsaved != nil }) {
		if err := m.save(ctx, email); err != nil {
			m.log.Error("new tokens could not be written and are lost", "account", email, "err", err, "cure", "postern login "+email, "audit", true)
		}
	}
}

func (m *Manager) namesOf(which func(*live) bool) (emails []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for email, l := range m.live {
		if which(l) {
			emails = append(emails, email)
		}
	}
	return emails
}

// save writes what the store has not taken. Where that is nothing, because no refresh could begin, it finds out
// whether one could now. The provider is not asked.
func (m *Manager) save(ctx context.Context, email string) error {
	was := m.unwrittenOf(email)
	err := m.store.Update(ctx, email, func(rec *store.Record) error {
		if rec.Token == nil { // logged out meanwhile
			return errHeld
		}
		if was.unsaved = m.unsavedFor(email, rec.Token.Refresh); was.unsaved != nil {
			*rec.Token, rec.Problem = was.unsaved.token, nil
		}
		rec.Problem = m.lastProblem(email, *rec)
		return nil
	})
	if err != nil && !errors.Is(err, errHeld) {
		m.stillUnwritten(ctx, email, was, err)
		return err
	}
	m.nowWritten(email, was)
	if was.unsaved != nil {
		m.reportGain(email, &was.unsaved.token)
	}
	return nil
}

func (m *Manager) unwrittenOf(email string) live {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.liveLocked(email)
	return live{unwritten: l.unwritten, refused: l.refused}
}

// nowWritten forgets what was written, but nothing that a refresh has noted since.
func (m *Manager) nowWritten(email string, was live) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.liveLocked(email)
	if l.unwritten == was.unwritten {
		l.unwritten = nil
	}
	if l.unsaved == was.unsaved {
		l.unsaved = nil
	}
	if was.refused != nil {
		was.refused.written = true
	}
}

func (m *Manager) stillUnwritten(ctx context.Context, email string, was live, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.liveLocked(email)
	if was.unwritten == nil || l.unwritten != was.unwritten {
		return
	}
	p := was.unwritten.problem
	if ctx.Err() == nil { // else somebody is at the record, and that is not what is wrong
		p = m.storeProblem(email, err)
	}
	m.notWrittenLocked(l, was.unwritten.found, p)
}
