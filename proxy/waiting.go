package proxy

import (
	"container/list"
	"errors"
	"sync"
)

// waiting knows the clients that have not logged in, in the order in which they came. Where too many wait, the
// one that has waited longest goes: a flood of silent connections then keeps nobody out who has a password.
type waiting struct {
	mu    sync.Mutex // guards what follows
	order list.List
	at    map[*session]*list.Element
}

// errMadeRoom means that a client that had not logged in had to go for one that may.
var errMadeRoom = errors.New("too many clients wait to log in")

// enter adds a client, and returns the one that has to go because there are more than most; nil for none.
func (w *waiting) enter(s *session, most int) (gone *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == nil {
		w.at = map[*session]*list.Element{}
	}
	w.at[s] = w.order.PushBack(s)
	if len(w.at) > most {
		gone = w.order.Front().Value.(*session)
		w.removeLocked(gone)
	}
	return gone
}

// leave forgets a client that has shown the right password, or has gone. Doing it twice does no harm.
func (w *waiting) leave(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removeLocked(s)
}

func (w *waiting) removeLocked(s *session) {
	if e := w.at[s]; e != nil {
		w.order.Remove(e)
		delete(w.at, s)
	}
}

func (w *waiting) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.at)
}

// makeRoom ends the session, unless it has come to a relay meanwhile.
func (s *session) makeRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relay != nil {
		return
	}
	s.ended = errMadeRoom
	if s.cancel != nil {
		s.cancel(errMadeRoom)
	}
}
