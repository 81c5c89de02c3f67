package proxy

import (
	"strings"
	"testing"
)

const exchangeGreeting = "* OK The Microsoft Exchange IMAP4 service is ready. [VABFAFMAVAA=]"

func newAssumingProxy(t *testing.T) *proxyUnderTest {
	p := newProxy(t)
	p.accounts.account.Provider.IMAPOffers = "SASL-IR AUTH=XOAUTH2"
	return p
}

// A server that names nothing in its greeting gets the token at once, if its provider's servers take it.
func TestFirstLoginAsksNothing(t *testing.T) {
	t.Parallel()
	p := newAssumingProxy(t)
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	up := <-p.upstream.conns
	up.send(exchangeGreeting)
	tag, command, _ := strings.Cut(up.line(t), " ")
	if !strings.HasPrefix(command, "AUTHENTICATE XOAUTH2 ") {
		t.Fatalf("upstream got %q", command)
	}
	up.send(tag + " OK AUTHENTICATE completed.")
	up.answer(t, "CAPABILITY", "* CAPABILITY IMAP4rev1 MOVE")
	up.answer(t, "NAMESPACE")
	if got := c.line(); got != "a OK [CAPABILITY IMAP4rev1 MOVE] AUTHENTICATE completed." {
		t.Errorf("got %q", got)
	}
}

// A server that is not what was assumed of it is asked, and from then on always.
func TestServerIsNotAsAssumed(t *testing.T) {
	t.Parallel()
	for name, disagree := range map[string]func(up *upstreamConn, tag string){
		"says BAD":  func(up *upstreamConn, tag string) { up.send(tag + " BAD too many arguments") },
		"hangs up":  func(up *upstreamConn, _ string) {},
		"waits":     func(up *upstreamConn, tag string) { up.send("+ ", tag+" NO AUTHENTICATE failed.") },
		"says NO":   func(up *upstreamConn, tag string) { up.send(tag + " NO no such mechanism") },
		"says else": func(up *upstreamConn, tag string) { up.send("P77 OK") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newAssumingProxy(t)
			for first := range 2 {
				c := p.dial(t)
				c.expect("* OK")
				c.send(loginLine)
				if first == 0 {
					up := <-p.upstream.conns
					up.send(exchangeGreeting)
					tag, _, _ := strings.Cut(up.line(t), " ")
					disagree(up, tag)
					up.Close()
				}
				up := <-p.upstream.conns
				up.send(exchangeGreeting)
				up.answer(t, "CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=OAUTHBEARER")
				tag, command, _ := strings.Cut(up.line(t), " ")
				if command != "AUTHENTICATE OAUTHBEARER" {
					t.Fatalf("upstream got %q", command)
				}
				up.send("+ ")
				up.line(t)
				up.send(tag + " OK [CAPABILITY IMAP4rev1] in")
				up.answer(t, "NAMESPACE")
				c.expect("a OK")
				p.forgetAll()
			}
		})
	}
}

// A token that is refused where the assumption has been right is not tried again because of it.
func TestAssumptionThatWasRight(t *testing.T) {
	t.Parallel()
	p := newAssumingProxy(t)
	for _, answer := range []string{"OK in", "NO AUTHENTICATE failed.", "NO AUTHENTICATE failed."} {
		c := p.dial(t)
		c.expect("* OK")
		c.send(loginLine)
		up := <-p.upstream.conns
		up.send(exchangeGreeting)
		tag, _, _ := strings.Cut(up.line(t), " ")
		up.send(tag + " " + answer)
		if answer == "OK in" {
			up.answer(t, "CAPABILITY", "* CAPABILITY IMAP4rev1")
			up.answer(t, "NAMESPACE")
			c.expect("a OK")
		} else {
			// The token has been taken before, so another one is fetched, once.
			up = <-p.upstream.conns
			up.send(exchangeGreeting)
			if tag, _, _ = strings.Cut(up.line(t), " "); tag != "P1" {
				t.Errorf("the server is asked")
			}
			up.send(tag + " " + answer)
			c.expect("a NO")
			select {
			case <-p.upstream.conns:
				t.Error("one more connection")
			default:
			}
			p.accounts.mu.Lock()
			p.accounts.tokens = 1
			p.accounts.mu.Unlock()
		}
		p.forgetAll()
	}
}
