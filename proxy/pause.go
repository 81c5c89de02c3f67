package proxy

import (
	"errors"
	"sync"
	"time"

	"postern/auth"
)

// pause is whether a person has asked the server to stand aside. The zero value lets clients in.
type pause struct {
	mu    sync.Mutex // guards what follows
	since time.Time  // zero while clients are let in
}

// errPaused ends the sessions that a pause finds, and stands behind the refusal of those that come later.
var errPaused = errors.New("paused")

// Pause lets no client in until Resume: a right password is refused as for a trouble that passes, so that
// clients keep it and come back. Live sessions are told goodbye at a safe boundary, clients that have not
// logged in at once, and spare connections are closed. It does not wait. ended is how many sessions there
// were; changed is false when the server was paused before. Nothing of it outlives the Server. Any goroutine
// may call it.
func (s *Server) Pause() (ended int, changed bool) {
	s.prepare()
	s.pause.mu.Lock()
	defer s.pause.mu.Unlock()
	if !s.pause.since.IsZero() {
		return 0, false
	}
	// A session that comes later sees the time; one that has looked before is in the registry.
	s.pause.since = time.Now()
	s.spares.hold(true)
	return s.registry.end(errPaused, func(*session) bool { return true }), true
}

// Resume lets clients in again. It returns false when the server was not paused. Any goroutine may call it.
func (s *Server) Resume() (changed bool) {
	s.pause.mu.Lock()
	defer s.pause.mu.Unlock()
	if s.pause.since.IsZero() {
		return false
	}
	s.pause.since = time.Time{}
	s.spares.hold(false)
	return true
}

// PausedSince is when Pause was called, and zero when the server lets clients in. Any goroutine may call it.
func (s *Server) PausedSince() time.Time {
	s.pause.mu.Lock()
	defer s.pause.mu.Unlock()
	return s.pause.since
}

// paused is the reason not to go upstream; nil while clients are let in.
func (s *Server) paused() error {
	if s.PausedSince().IsZero() {
		return nil
	}
	p := auth.Paused()
	p.Err = errPaused
	return p
}
