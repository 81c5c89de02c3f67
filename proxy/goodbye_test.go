package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// stalled is a connection of a process that stands still before it says goodbye: a busy machine, a suspended one.
type stalled struct {
	net.Conn
	stall time.Duration
}

func (c stalled) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("* BYE")) {
		time.Sleep(c.stall)
	}
	return c.Conn.Write(b)
}

// A login that is ended says why, also when all the time that a drain may take goes by before it can.
func TestGoodbyeAfterAStall(t *testing.T) {
	t.Parallel()
	const drain = 20 * time.Millisecond
	p := newProxy(t, func(s *Server) { s.Settings.Limits.DrainTime = drain })
	_, up := p.login(t) // it serves
	defer up.Close()
	near, far := net.Pipe()
	var end func()
	c := p.runAlone(t, stalled{near, 5 * drain}, far, &end)
	c.expect("* OK")
	end()
	if got := c.line(); got != "* BYE Postern: stopping" {
		t.Errorf("got %q", got)
	}
}

// runAlone runs one session on near and returns its client, at far. end ends the session; it is set before that begins.
func (p *proxyUnderTest) runAlone(t *testing.T, near, far net.Conn, end *func()) *client {
	t.Helper()
	s := p.newSession(near, nil, IMAP())
	*end = func() { s.end(errors.New("stopping")) }
	over := make(chan struct{})
	go func() {
		s.run(t.Context())
		close(over)
	}()
	t.Cleanup(func() {
		far.Close()
		<-over
	})
	far.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{Conn: far, t: t, br: bufio.NewReader(far)}
}

// endedWithin is a connection whose session is ended while it answers, and that stands still then.
type endedWithin struct {
	net.Conn
	end   func()
	stall time.Duration
}

func (c *endedWithin) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("a NO")) {
		c.end()
		time.Sleep(c.stall)
	}
	return c.Conn.Write(b)
}

// An answer that is on its way when the session is ended comes before the goodbye. With TLS nothing can be said behind
// one that was cut off.
func TestAnswerAfterAStall(t *testing.T) {
	t.Parallel()
	const drain = 20 * time.Millisecond
	p := newProxy(t, func(s *Server) { s.Settings.Limits.DrainTime = drain })
	_, up := p.login(t) // it serves
	defer up.Close()
	near, far := net.Pipe()
	conn := &endedWithin{Conn: near, stall: 5 * drain}
	c := p.runAlone(t, conn, far, &conn.end)
	c.expect("* OK")
	c.send("a LOGIN " + fakeUser + " unread\r\n")
	if got := c.line(); !strings.HasPrefix(got, "a NO ") {
		t.Errorf("got %q", got)
	}
	c.expect("* BYE Postern: stopping")
}
