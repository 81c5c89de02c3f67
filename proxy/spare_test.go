package proxy

import (
	"net"
	"strings"
	"testing"
	"time"
)

// The second login of a mailbox uses the spare and asks nothing that the first has shown.
func TestWarmLoginTakesOneRoundTrip(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.NoSpares = false })
	_, up := p.login(t)
	defer up.Close()
	spare := <-p.upstream.conns
	spare.send("* OK The Microsoft Exchange IMAP4 service is ready. [VABF]")
	key := gateKey(IMAP(), p.accounts.account)
	waitFor(t, func() bool {
		p.spares.mu.Lock()
		defer p.spares.mu.Unlock()
		return p.spares.byKey[key] != nil && p.spares.byKey[key].conn != nil
	})
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	line := spare.line(t)
	tag, _, ok := strings.Cut(line, " AUTHENTICATE XOAUTH2 ")
	if !ok {
		t.Fatalf("the spare got %q", line)
	}
	spare.send(tag + " OK AUTHENTICATE completed.")
	if got := c.line(); !strings.HasPrefix(got, "a OK [CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN") {
		t.Errorf("got %q", got)
	}
	c.send("b NOOP\r\n")
	if got := spare.line(t); got != "b NOOP" {
		t.Errorf("after the warm login the upstream got %q", got)
	}
}

// A spare that died is noticed, and costs the client nothing.
func TestDeadSpare(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.NoSpares = false })
	_, up := p.login(t)
	defer up.Close()
	spare := <-p.upstream.conns
	spare.send("* OK ready")
	spare.Close()
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	for conn := range p.upstream.conns { // the spare that replaced the dead one may be taken, or a new connection
		conn.send("* OK ready")
		line, err := conn.br.ReadString('\n')
		if err != nil {
			continue
		}
		tag, _, _ := strings.Cut(line, " ")
		conn.send(tag + " OK AUTHENTICATE completed.")
		break
	}
	c.expect("a OK")
}

// A client that has left at once leaves no spare behind.
func TestSpareForThoseWhoStay(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.NoSpares = false })
	p.prepare()
	account := p.accounts.account
	key := gateKey(IMAP(), account)
	reserved := func() bool {
		p.spares.mu.Lock()
		defer p.spares.mu.Unlock()
		return p.spares.byKey[key] != nil
	}
	near, _ := net.Pipe()
	s := p.newSession(near, nil, IMAP())
	p.registry.add(s)
	p.registry.remove(s)
	if s.makeSpare(account, time.Now()); reserved() {
		t.Error("a spare for a client that has gone")
	}
	p.registry.add(s)
	defer p.registry.remove(s)
	if s.makeSpare(account, time.Now()); !reserved() {
		t.Error("no spare for a client that stays")
	}
}
