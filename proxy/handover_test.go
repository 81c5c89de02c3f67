package proxy

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// lateConn is a client's connection whose session is ended in the moment in which the login is answered. What then ends
// the login's reads comes as late as it can: when the relay has begun, if the session does not wait for it.
type lateConn struct {
	net.Conn
	end          func()
	answered     bool
	once         sync.Once
	begun, ended chan struct{}
}

func (c *lateConn) Write(b []byte) (int, error) {
	switch {
	case bytes.HasPrefix(b, []byte("a OK")):
		c.answered = true
		c.end()
	case bytes.HasPrefix(b, []byte("* BYE")):
		<-c.ended
		time.Sleep(50 * time.Millisecond) // for whom that wakes
	}
	return c.Conn.Write(b)
}

func (c *lateConn) SetDeadline(t time.Time) error {
	err := c.Conn.SetDeadline(t)
	if c.answered && t.IsZero() {
		close(c.begun)
	}
	return err
}

func (c *lateConn) SetReadDeadline(t time.Time) error {
	c.once.Do(func() {
		select {
		case <-c.begun:
		case <-time.After(100 * time.Millisecond):
		}
		c.Conn.SetReadDeadline(t)
		close(c.ended)
	})
	return c.Conn.SetReadDeadline(t) // later ones are the relay's
}

// A session that is ended in the moment of its hand-over says goodbye, like any other.
func TestEndAtHandOver(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.DrainTime = 20 * time.Second })
	near, far := socketPair(t)
	conn := &lateConn{Conn: near, begun: make(chan struct{}), ended: make(chan struct{})}
	c := p.runAlone(t, conn, far, &conn.end)
	c.expect("* OK")
	c.send(loginLine)
	up := <-p.upstream.conns
	defer up.Close()
	up.admit(t)
	c.expect("a OK")
	if line := c.line(); !strings.HasPrefix(line, "* BYE ") || !strings.HasSuffix(line, "stopping") {
		t.Errorf("%q", line)
	}
}
