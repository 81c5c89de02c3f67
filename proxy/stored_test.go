package proxy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A message that the upstream has and has not yet answered gets its answer before the goodbye: a client that is told
// goodbye in its place sends the message again.

func TestEndWaitsForAPPEND(t *testing.T) {
	t.Parallel()
	p := newProxy(t, patientEnd)
	c, up := p.login(t)
	defer up.Close()
	c.send("b APPEND Sent {5+}\r\nhello\r\n")
	up.line(t)
	up.line(t)
	p.EndSessions(fakeUser, errors.New("stopping"))
	waitFor(t, p.relaysEnd)
	for _, said := range []string{"* 1 EXISTS", "b OK stored"} {
		up.send(said)
		if got := c.line(); got != said {
			t.Errorf("got %q, want %q", got, said)
		}
	}
	c.expect("* BYE ")
}

func patientEnd(s *Server) { s.Settings.Limits.DrainTime = 20 * time.Second }

// With BDAT (RFC 3030) a message goes out in one piece.
func TestEndWaitsForBDAT(t *testing.T) {
	t.Parallel()
	p := newProxyFor(t, SMTP(), patientEnd)
	c := p.dial(t)
	c.expect("220 ")
	c.send("AUTH PLAIN " + plainLogin(fakePassword) + "\r\n")
	up := <-p.upstream.conns
	defer func() { up.Close() }()
	up.send("220 ready")
	up.line(t)
	up.send("250-there", "250 STARTTLS")
	up.line(t)
	up.send("220 go ahead")
	up.startTLS(t)
	up.line(t)
	up.send("250-there", "250-CHUNKING", "250 AUTH XOAUTH2")
	up.line(t)
	up.send("334 ")
	up.line(t)
	up.send("235 2.7.0 in")
	c.expect("235 ")
	c.send("MAIL FROM:<ann@example.com>\r\n")
	up.line(t)
	up.send("250 ok")
	c.expect("250 ")
	c.send("BDAT 7 LAST\r\nhello\r\n")
	up.line(t)
	up.line(t)
	p.EndSessions(fakeUser, errors.New("stopping"))
	waitFor(t, p.relaysEnd)
	up.send("250 2.0.0 stored")
	if got := c.line(); got != "250 2.0.0 stored" {
		t.Errorf("the message got %q", got)
	}
	if got := c.line(); !strings.HasPrefix(got, "421 ") {
		t.Errorf("then %q", got)
	}
}
