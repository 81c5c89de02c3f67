package proxy

import (
	"errors"
	"net"
	"time"
)

// The machine of a client or of a server may go without a word: its power fails, its network is another one now.
// While nothing is under way keep-alive finds out. While bytes wait for an acknowledgement there are no such probes,
// and the kernel sends the bytes again for a quarter of an hour. TCP_USER_TIMEOUT makes that shorter, but ends a peer
// that lives and takes no byte as well (a mail reader stopped with Ctrl-Z, a server that stores slowly), because the
// answers to the probes of a closed window do not count for it. So we ask the kernel what it has heard.

var (
	errClientGone   = errors.New("the client's machine does not answer any more")
	errUpstreamGone = errors.New("the upstream's machine does not answer any more")
)

const (
	lookEvery       = time.Minute
	unansweredTries = 3 // one or two may get lost, or meet a limit on answers
)

// keepAlive finds out within minutes that the machine at the other end is gone: an IDLE session says
// nothing for half an hour by itself.
func keepAlive(conn net.Conn) {
	if c, ok := conn.(*net.TCPConn); ok {
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4})
	}
}

// watchPeers looks for peers that have gone, every minute as long as there are sessions.
func (s *Server) watchPeers() {
	if canAskPeers && s.watching.CompareAndSwap(false, true) {
		time.AfterFunc(lookEvery, func() {
			s.endDeadPeers()
			s.watching.Store(false)
			if len(s.registry.all()) > 0 {
				s.watchPeers()
			}
		})
	}
}

// endDeadPeers ends the sessions of which one side's machine has gone.
func (s *Server) endDeadPeers() {
	silence := s.limits().Silence
	for _, ses := range s.registry.all() {
		if why := ses.deadPeer(silence); why != nil {
			go ses.end(why)
		}
	}
}

// deadPeer is the reason to end a session: a side's machine has let bytes go unanswered for that long.
func (s *session) deadPeer(silence time.Duration) error {
	s.mu.Lock()
	r := s.relay
	s.mu.Unlock()
	switch {
	case r == nil: // a login has deadlines
		return nil
	case r.client.unanswered(silence):
		return errClientGone
	case r.upstream.unanswered(silence):
		return errUpstreamGone
	}
	return nil
}

func (l *leg) unanswered(silence time.Duration) bool {
	conn := l.conn
	if l.rec != nil {
		conn = l.rec.Conn
	}
	tries, since := unanswered(conn)
	return tries >= unansweredTries && since >= silence
}
