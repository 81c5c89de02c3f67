package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"net"
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
	defer far.Close()
	s := p.newSession(stalled{near, 5 * drain}, nil, IMAP())
	over := make(chan struct{})
	go func() {
		s.run(t.Context())
		close(over)
	}()
	far.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(far)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s.end(errors.New("stopping"))
	if line, err := r.ReadString('\n'); line != "* BYE Postern: stopping\r\n" {
		t.Errorf("%q, %v", line, err)
	}
	far.Close()
	<-over
}
