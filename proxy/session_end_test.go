package proxy

import (
	"io"
	"strings"
	"testing"
)

func TestShutdownSaysByeAtABoundary(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	up.send("* 1 FETCH (BODY[] {10}", "12345") // 7 of 10 octets
	c.expect("* 1 FETCH")
	c.expect("12345")
	p.stop()
	waitFor(t, p.relaysEnd) // the shutdown has found the session, within a literal
	up.send("678)")
	if got := c.line(); got != "678)" {
		t.Errorf("got %q, want the end of the literal", got)
	}
	if got := c.line(); !strings.HasPrefix(got, "* BYE ") {
		t.Errorf("got %q, want BYE", got)
	}
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("after BYE: %v, want EOF", err)
	}
}

// relaysEnd says whether every session's relay has been told to end.
func (p *proxyUnderTest) relaysEnd() bool {
	p.registry.mu.Lock()
	defer p.registry.mu.Unlock()
	for _, s := range p.registry.live {
		s.mu.Lock()
		r := s.relay
		s.mu.Unlock()
		r.mu.Lock()
		ending := r.ending
		r.mu.Unlock()
		if ending == nil {
			return false
		}
	}
	return true
}

func TestUpstreamDies(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	up.send("* 1 FETCH (BODY[] {100}", "part")
	up.Close()
	got, err := io.ReadAll(c.br)
	if err != nil || string(got) != "* 1 FETCH (BODY[] {100}\r\npart\r\n" {
		t.Errorf("within a literal the client got %q (%v): nothing may be added", got, err)
	}
	c, up = p.login(t)
	up.send("* 2 EXISTS")
	c.expect("* 2 EXISTS")
	up.Close()
	if got := c.line(); !strings.HasPrefix(got, "* BYE ") {
		t.Errorf("between responses the client got %q, want BYE", got)
	}
	c, up = p.login(t)
	up.send("* BYE Session invalidated - AccessTokenExpired")
	up.Close()
	rest, _ := io.ReadAll(c.br)
	if strings.Count(string(rest), "* BYE") != 1 {
		t.Errorf("after the upstream's BYE the client got %q", rest)
	}
}

func TestClientHalfCloses(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	c.send("b LOGOUT\r\n")
	c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	up.line(t)
	up.send("* BYE off", "b OK LOGOUT completed.")
	up.Close()
	c.expect("b OK")
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("then %v, want EOF", err)
	}
}
