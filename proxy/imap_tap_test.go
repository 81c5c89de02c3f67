package proxy

import (
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The whole of a client's conversation, cut at random places: the upstream gets exactly the bytes that
// are its, and never the local password.
func TestRandomSegmentations(t *testing.T) {
	t.Parallel()
	const rest = "b SELECT INBOX\r\nc APPEND Drafts {11+}\r\nhello\r\nworl d\r\nd UID FETCH 1:* (FLAGS)\r\ne NOOP\r\n"
	logins := []string{
		loginLine,
		"a LOGIN {15+}\r\nann@example.com {12+}\r\nsecret \"p\\w\"\r\n",
		"a LOGIN \"ann@example.com\" {12+}\r\nsecret \"p\\w\"\r\n",
		"a AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00ann@example.com\x00"+fakePassword)) + "\r\n",
		"a authenticate plain\r\n" + base64.StdEncoding.EncodeToString([]byte("\x00ann@example.com\x00"+fakePassword)) + "\r\n",
		"x ID (\"name\" {4+}\r\nMutt)\r\na login ann@example.com \"secret \\\"p\\\\w\\\"\"\r\n",
	}
	p := newProxy(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		whole := logins[i%len(logins)] + rest
		p.forgetAll()
		c := p.dial(t)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for s := whole; len(s) > 0; {
				n := min(len(s), 1+rng.IntN(len(whole)))
				if i%3 == 0 {
					n = 1
				}
				io.WriteString(c, s[:n])
				s = s[n:]
			}
		}()
		up := <-p.upstream.conns
		up.admit(t)
		<-sent
		got := make([]byte, len(rest))
		up.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(up.br, got); err != nil || string(got) != rest {
			t.Fatalf("run %d: upstream got %q (%v), want %q", i, got, err, rest)
		}
		if up.br.Buffered() > 0 {
			t.Fatalf("run %d: upstream got more than was sent", i)
		}
		up.Close()
		c.Close()
	}
	if strings.Contains(p.log.String(), "secret") {
		t.Error("the log has the local password")
	}
}

// Nothing that a client says after login brings the local password upstream.
func TestSecondLoginStaysHere(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, forwarded, answered string }{
		{"b LOGIN u TOPSECRET\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
		{"b  lOgIn u TOPSECRET\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
		{"b\tLOGIN u TOPSECRET\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
		{" b LOGIN u TOPSECRET\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
		{"b LOGIN {1+}\r\nu {9+}\r\nTOPSECRET\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
		{"b LOGIN {1}\r\nu {9}\r\nTOPSECRET\r\nc NOOP\r\n", "c NOOP\r\n", "+ go ahead"},
		{"b AUTHENTICATE PLAIN TOPSECRET\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
		{"b UNAUTHENTICATE\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
		{"b COMPRESS DEFLATE\r\nc NOOP\r\n", "c NOOP\r\n", "b NO"},
		{"b APPEND x {23+}\r\nd LOGIN u not-a-login\r\n\r\ne LOGIN u TOPSECRET\r\nc NOOP\r\n",
			"b APPEND x {23+}\r\nd LOGIN u not-a-login\r\n\r\nc NOOP\r\n", "e BAD"},
		{"b LOGIN\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
		{"{20+}\r\nb LOGIN u TOPSECRET\r\nc NOOP\r\n", "{20+}\r\nc NOOP\r\n", "b BAD"},
		{"x {20+}\r\nb LOGIN u TOPSECRET\r\nc NOOP\r\n", "x {20+}\r\nc NOOP\r\n", "b BAD"},
		{"x SEARCH {20-}\r\nb LOGIN u TOPSECRET\r\nc NOOP\r\n", "x SEARCH {20-}\r\nc NOOP\r\n", "b BAD"},
	}
	p := newProxy(t)
	for _, tt := range tests {
		for _, piece := range []int{1, 5, len(tt.in)} {
			c, up := p.login(t)
			for s := tt.in; len(s) > 0; s = s[min(piece, len(s)):] {
				c.send(s[:min(piece, len(s))])
			}
			got := make([]byte, len(tt.forwarded))
			up.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadFull(up.br, got); err != nil || string(got) != tt.forwarded {
				t.Errorf("%q: upstream got %q (%v)", tt.in, got, err)
			}
			if line := c.line(); !strings.HasPrefix(line, tt.answered) {
				t.Errorf("%q: client got %q", tt.in, line)
			}
			c.Close()
			up.Close()
		}
	}
}

// A literal that waits for a go-ahead: data pipelined behind it is only data if the server agrees.
func TestSynchronizingLiteral(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	c.send("b APPEND x {19}\r\n")
	if got := up.line(t); got != "b APPEND x {19}" {
		t.Fatalf("upstream got %q", got)
	}
	up.send("* 1 EXISTS", "b NO [OVERQUOTA] full")
	c.expect("b NO")
	c.send("c LOGIN u TOPSECRET\r\nd NOOP\r\n") // would be 19 octets of data if b had been agreed to
	if got := up.line(t); got != "d NOOP" {
		t.Errorf("upstream got %q", got)
	}
	c.expect("c BAD")
	c.send("e APPEND x {19}\r\n")
	up.line(t)
	up.send("+ go")
	c.expect("+ go")
	c.send("c LOGIN u harmless\r\n\r\n")
	if got := up.line(t); got != "c LOGIN u harmless" {
		t.Errorf("upstream got %q", got)
	}
}

// A go-ahead for IDLE is none for the literal that a client sends before it has seen it.
func TestLiteralBehindIdle(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	c.send("a IDLE\r\nb APPEND x {20}\r\n")
	if got := up.line(t); got != "a IDLE" {
		t.Fatalf("upstream got %q", got)
	}
	up.send("+ idling")
	if got := up.line(t); got != "b APPEND x {20}" {
		t.Fatalf("upstream got %q", got)
	}
	c.send("c LOGIN u TOPSECRET\r\nd NOOP\r\n")
	up.send("a BAD expected DONE", "b BAD no literal here")
	if got := up.line(t); got != "d NOOP" {
		t.Errorf("upstream got %q", got)
	}
	c.expect("c BAD")
}
