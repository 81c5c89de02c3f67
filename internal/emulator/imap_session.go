package emulator

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// writeTimeout ends a session whose client reads nothing at all for so long.
const writeTimeout = 5 * time.Minute

// session is one connection, from its TLS handshake to its end. Its front runs in run; after the login imapserver
// drives it through mailConn.
type session struct {
	connection
	m    *IMAP
	opt  MailOptions
	conn *tls.Conn
	br   *bufio.Reader

	idle    atomic.Bool // the IDLE continuation went out, DONE has not come
	secure  atomic.Bool // the TLS handshake is done
	expired atomic.Bool // the access token's life is over
	lost    atomic.Bool // authenticated but not connected
	cut     atomic.Bool // reset in the middle of the next literal

	expiry *time.Timer
	out    outbound

	finish func() // the session is over: called by who drives it
}

func newSession(m *IMAP, id int, conn net.Conn, rec *record) *session {
	s := &session{
		connection: connection{id: id, raw: conn, since: time.Now(), gone: make(chan struct{})},
		m:          m,
		opt:        m.options,
		conn:       tls.Server(conn, m.tls),
	}
	s.br = bufio.NewReader(recorded{s.conn, rec})
	s.out.conn = s.conn
	s.finish = sync.OnceFunc(func() {
		s.abort()
		if s.expiry != nil {
			s.expiry.Stop()
		}
		m.end(id)
		m.log.Debug("imap session ended", "session", id)
	})
	return s
}

// run takes the session through its front and hands it to imapserver.
func (s *session) run() {
	defer func() {
		if v := recover(); v != nil { // one session's bug does not end a test run
			s.m.log.Error("imap session panicked", "session", s.id, "panic", v)
			s.finish()
		}
	}()
	if s.handshake() && s.greet() && s.front() {
		s.conn.SetReadDeadline(time.Time{})
		if s.m.handOff.give(&mailConn{Conn: s.conn, s: s}) {
			return
		}
	}
	s.finish()
}

// handshake has a limit of its own; the clock of the login starts after it.
func (s *session) handshake() bool {
	s.conn.SetDeadline(s.since.Add(time.Minute))
	if s.conn.Handshake() != nil {
		return false
	}
	s.secure.Store(true)
	s.conn.SetDeadline(time.Time{})
	if limit := s.opt.preAuthTimeout(); limit > 0 {
		s.conn.SetReadDeadline(time.Now().Add(limit))
	}
	return true
}

func (s *session) describe() Session {
	d := s.connection.describe()
	switch {
	case s.frozen.Load():
	case s.lost.Load():
		d.State = "not connected"
	case s.idle.Load():
		d.State = "idle"
	}
	return d
}

// abort closes the connection; who drives the session notices.
func (s *session) abort() {
	s.goneOnce.Do(func() {
		close(s.gone)
		s.conn.Close()
	})
}

// reset ends the connection with a TCP RST.
func (s *session) reset() {
	resetConn(s.raw)
	s.abort()
}

// say writes lines of the emulator's own.
func (s *session) say(lines ...string) {
	if s.frozen.Load() {
		return
	}
	var b []byte
	for _, line := range lines {
		b = append(append(b, line...), "\r\n"...)
	}
	if s.out.write(b) != nil {
		s.abort()
	}
	s.farewell()
}

// bye says "* BYE text" as soon as no answer is half sent, and closes. It does not wait for a slow client.
func (s *session) bye(text string) {
	if !s.secure.Load() { // nobody to say it to, and a write would wait for the handshake
		s.abort()
		return
	}
	line := "* BYE " + text + "\r\n"
	s.out.last.Store(&line)
	s.farewell()
}

// farewell sends the BYE that waits, if any; every write ends with it.
func (s *session) farewell() {
	if s.out.last.Load() == nil || s.frozen.Load() {
		return
	}
	if s.out.sayLast() {
		s.abort()
	}
}

// tokenExpired is Exchange's end of a session: at once in IDLE, else with the next command.
func (s *session) tokenExpired() {
	if s.opt.KeepExpired {
		return
	}
	s.expired.Store(true)
	if s.idle.Load() {
		s.sayExpired()
	}
}

func (s *session) sayExpired() {
	s.out.last.Store(s.opt.expiredLine())
	s.farewell()
}
