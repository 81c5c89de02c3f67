package emulator

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// lineSession is one connection to an SMTP or POP3 server. One goroutine reads, writes and changes conn and br; the
// others may look, abort and reset.
type lineSession struct {
	connection
	server *lineServer
	conn   net.Conn // raw, or TLS over it
	br     *bufio.Reader
	rec    *record
	cut    bool // reset in the middle of the next message sent
}

func newLineSession(l *lineServer, id int, conn net.Conn, rec *record) *lineSession {
	s := &lineSession{
		connection: connection{id: id, raw: conn, since: time.Now(), gone: make(chan struct{})},
		server:     l,
		conn:       conn,
		rec:        rec,
	}
	s.br = bufio.NewReader(recorded{conn, rec})
	return s
}

func (s *lineSession) run() {
	defer func() {
		if v := recover(); v != nil { // one session's bug does not end a test run
			s.server.log.Error("session panicked", "proto", s.server.proto, "session", s.id, "panic", v)
		}
		if !s.isGone() {
			s.raw.SetDeadline(time.Now().Add(time.Second))
			s.conn.Close()
		}
		s.abort()
		s.server.end(s.id)
	}()
	s.server.serve(s)
}

// startTLS does the server's side of the handshake. What the client sent before it in the clear is forgotten
// (RFC 3207 section 6).
func (s *lineSession) startTLS() bool {
	conn := tls.Server(s.raw, s.server.tls)
	s.raw.SetDeadline(time.Now().Add(time.Minute))
	if conn.Handshake() != nil {
		return false
	}
	s.raw.SetDeadline(time.Time{})
	s.conn = conn
	s.br = bufio.NewReader(recorded{conn, s.rec})
	return true
}

// within limits the time until the login; 0 and less = no limit.
func (s *lineSession) within(limit time.Duration) {
	deadline := time.Time{}
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	s.raw.SetReadDeadline(deadline)
}

// abort closes the connection under whoever uses it.
func (s *lineSession) abort() {
	s.goneOnce.Do(func() {
		close(s.gone)
		s.raw.Close()
	})
}

// reset ends the connection with a TCP RST.
func (s *lineSession) reset() {
	resetConn(s.raw)
	s.abort()
}

// say writes lines.
func (s *lineSession) say(lines ...string) {
	s.send([]byte(strings.Join(lines, "\r\n") + "\r\n"))
}

func (s *lineSession) send(b []byte) {
	if s.isGone() {
		return
	}
	for chunk := range slices.Chunk(b, 256<<10) {
		s.raw.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := s.conn.Write(chunk); err != nil {
			s.abort()
			return
		}
	}
}

// line reads one line without its end. Not ok: the session is over.
func (s *lineSession) line() (line string, ok bool) {
	b, err := readLine(s.br, maxFrontLine)
	switch {
	case err == nil:
		return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), true
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.say(s.server.bye + "Connection is closed. 13")
	case errors.Is(err, errLineTooLong):
		s.say(s.server.bye + "Line too long")
	}
	return "", false
}

// strike lets the fault that waits at a place happen. answered: the client was told, and what it asked for is not to
// be done. over: the session is.
func (s *lineSession) strike(at, refusal string) (answered, over bool) {
	f, _ := s.server.fault(at, s.mailbox())
	switch f.Kind {
	case "":
	case Slow:
		return false, !s.wait(f.Delay)
	case ResetInLiteral:
		s.cut = true
	case Silence:
		s.silence()
		return true, true
	case Reset:
		s.reset()
		return true, true
	case Bye:
		s.say(s.server.bye + cmp.Or(f.Text, "Service not available, closing transmission channel"))
		return true, true
	default:
		s.say(cmp.Or(f.Text, refusal))
		return true, s.isGone()
	}
	return false, false
}

// silence swallows everything until the client or the server gives up.
func (s *lineSession) silence() {
	s.frozen.Store(true)
	s.raw.SetReadDeadline(time.Time{})
	io.Copy(io.Discard, s.br)
}

// began binds the session to its login.
func (s *lineSession) began(l *login) {
	s.raw.SetReadDeadline(time.Time{})
	s.login.Store(l)
	s.server.log.Debug("session began", "proto", s.server.proto, "session", s.id, "mailbox", l.mailbox, "owner", l.owner)
}
