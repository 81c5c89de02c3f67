package proxy

import (
	"strings"
	"testing"
)

// A server that breaks the connection over what came behind the token gets a second one, in order, and
// from then on always.
func TestServerThatWantsOrder(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	up := <-p.upstream.conns
	up.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi")
	tag, _, _ := strings.Cut(up.line(t), " ")
	up.send(tag + " OK in")
	up.line(t)
	up.line(t)
	up.Close()
	for range 2 {
		up = <-p.upstream.conns
		up.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi")
		tag, _, _ = strings.Cut(up.line(t), " ")
		if up.br.Buffered() > 0 {
			t.Error("commands came behind the token again")
		}
		up.send(tag + " OK [CAPABILITY IMAP4rev1 IDLE] in")
		up.answer(t, "NAMESPACE")
		c.expect("a OK")
		p.forgetAll()
		c = p.dial(t)
		c.expect("* OK")
		c.send(loginLine)
	}
}

// A server that loses what came behind the token is asked again.
func TestServerThatLosesWhatComesBehind(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	up := <-p.upstream.conns
	up.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi")
	tag, _, _ := strings.Cut(up.line(t), " ")
	up.send(tag + " OK in")
	up.line(t)
	up.line(t)
	up.answer(t, "CAPABILITY", "* CAPABILITY IMAP4rev1 MOVE")
	up.answer(t, "NAMESPACE")
	if got := c.line(); got != "a OK [CAPABILITY IMAP4rev1 MOVE] in" {
		t.Errorf("got %q", got)
	}
	if !p.knowledge.wantsOrder(IMAP(), p.upstream.ln.Addr().String()) {
		t.Error("nothing was learned")
	}
}
