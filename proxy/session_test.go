package proxy

import (
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"postern/auth"
)

func TestLoginCarriesTokenAndCapabilities(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := p.dial(t)
	if got := c.line(); got != "* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN AUTH=LOGIN] Postern ready" {
		t.Errorf("greeting %q", got)
	}
	c.send(loginLine)
	up := <-p.upstream.conns
	proof := up.admit(t)
	b, err := base64.StdEncoding.DecodeString(proof)
	if want := "user=ann@example.com\x01auth=Bearer token-1\x01\x01"; err != nil || string(b) != want {
		t.Errorf("proof %q, want %q", b, want)
	}
	want := "a OK [CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID IDLE NAMESPACE LITERAL+] AUTHENTICATE completed."
	if got := c.line(); got != want {
		t.Errorf("login answer %q\nwant %q", got, want)
	}
	c.send("b SELECT INBOX\r\n")
	if got := up.line(t); got != "b SELECT INBOX" {
		t.Errorf("upstream got %q", got)
	}
	up.send("* 3 EXISTS", "b OK done")
	c.expect("b OK")
	if s := p.Sessions(); len(s) != 1 || s[0].Account != fakeUser || s[0].Password != "test" {
		t.Errorf("sessions %+v", s)
	}
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	p.accounts.age = time.Hour
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	refuse := func(up *upstreamConn) {
		up.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi")
		tag, _, _ := strings.Cut(up.line(t), " ")
		up.send(tag + " NO AUTHENTICATE failed.")
	}
	refuse(<-p.upstream.conns)
	second := <-p.upstream.conns
	b, _ := base64.StdEncoding.DecodeString(second.admit(t))
	if !strings.Contains(string(b), "token-2") {
		t.Errorf("second proof %q, want the renewed token", b)
	}
	c.expect("a OK")

	p.forgetAll()
	// When the renewed token is refused as well, that is the answer; nobody asks a third time.
	c = p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	refuse(<-p.upstream.conns)
	refuse(<-p.upstream.conns)
	if got := c.expect("a NO"); strings.Contains(got, "AUTHENTICATIONFAILED") {
		t.Errorf("%q blames the local password", got)
	}
	if p.accounts.tokens != 3 {
		t.Errorf("token-%d is the last, want token-3", p.accounts.tokens)
	}
}

func TestFailureChallengeIsAnswered(t *testing.T) {
	t.Parallel()
	for mechanism, want := range map[string]string{"XOAUTH2": "", "OAUTHBEARER": "AQ=="} {
		t.Run(mechanism, func(t *testing.T) {
			p := newProxy(t)
			c := p.dial(t)
			c.expect("* OK")
			c.send(loginLine)
			up := <-p.upstream.conns
			up.send("* OK [CAPABILITY IMAP4rev1 AUTH=" + mechanism + "] hi")
			line := up.line(t)
			tag, _, _ := strings.Cut(line, " ")
			if !strings.HasSuffix(line, "AUTHENTICATE "+mechanism) {
				t.Errorf("without SASL-IR got %q", line)
			}
			up.send("+ ")
			up.line(t) // the proof
			up.send("+ " + base64.StdEncoding.EncodeToString([]byte(`{"status":"401","schemes":"bearer"}`)))
			if got := up.line(t); got != want {
				t.Errorf("answer to the challenge %q, want %q", got, want)
			}
			up.send(tag + " NO [AUTHENTICATIONFAILED] Invalid credentials")
			c.expect("a NO")
			if !strings.Contains(p.log.String(), `status\\\":\\\"401`) && !strings.Contains(p.log.String(), "401") {
				t.Errorf("the log lacks the server's reason:\n%s", p.log)
			}
		})
	}
}

// The words for each kind of trouble, and that the connection stays usable after them.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"sign-in", &auth.Problem{Class: auth.SignIn, Say: "the sign-in has expired"},
			"a NO [ALERT] ann@example.com: the sign-in has expired; sign in again: http://127.0.0.1:1180/sign-in/x"},
		{"later", &auth.Problem{Class: auth.Retry, Say: "busy", RetryAt: time.Now().Add(90 * time.Second)},
			"a NO [UNAVAILABLE] ann@example.com: busy; try again in 90 s"},
		{"admin", &auth.Problem{Class: auth.Admin, Say: "an administrator must approve", Cure: "send them this"},
			"a NO [CONTACTADMIN] ann@example.com: an administrator must approve; send them this"},
		{"configuration", &auth.Problem{Class: auth.Configuration, Say: "wrong client id"}, "a NO [ALERT] ann@example.com: wrong client id"},
		{"injection", &auth.Problem{Class: auth.Admin, Say: "evil\r\n* BYE x\x00é"}, "a NO [CONTACTADMIN] ann@example.com: evil  * BYE x??"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProxy(t, func(s *Server) {
				s.SignInURL = func(string) string { return "http://127.0.0.1:1180/sign-in/x" }
			})
			p.accounts.fail = tt.err
			c := p.dial(t)
			c.expect("* OK")
			c.send(loginLine)
			if got := c.line(); got != tt.want && !(tt.name == "later" && strings.Contains(got, "[UNAVAILABLE]")) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			c.send("b NOOP\r\n")
			c.expect("b OK")
		})
	}
}

func TestNotConnectedIsNoLogin(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	up := <-p.upstream.conns
	up.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi")
	tag, _, _ := strings.Cut(up.line(t), " ")
	up.send(tag + " OK [CAPABILITY IMAP4rev1] AUTHENTICATE completed.")
	tag, _, _ = strings.Cut(up.line(t), " ")
	up.send(tag+" BAD User is authenticated but not connected.", "* BYE Connection closed. 14")
	defer up.Close()
	if got := c.line(); !strings.HasPrefix(got, "a NO ") {
		t.Errorf("got %q", got)
	}
}

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
		{"b LOGIN {1}\r\nc NOOP\r\n", "c NOOP\r\n", "b BAD"},
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

func TestShutdownSaysByeAtABoundary(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	up.send("* 1 FETCH (BODY[] {10}", "12345") // 7 of 10 octets
	c.expect("* 1 FETCH")
	c.expect("12345")
	p.stop()
	time.Sleep(50 * time.Millisecond) // the shutdown finds the session within a literal
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

func TestTLSHelloOnPlainPort(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := p.dial(t)
	c.expect("* OK")
	c.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	if got := c.line(); !strings.Contains(got, "TLS") {
		t.Errorf("got %q", got)
	}
	waitFor(t, func() bool { return strings.Contains(p.log.String(), "does not begin with TLS") })
}

func TestLimits(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.PreLoginTime = 300 * time.Millisecond })
	c := p.dial(t)
	c.expect("* OK")
	if got := c.line(); !strings.HasPrefix(got, "* BYE") { // silence
		t.Errorf("got %q", got)
	}
	p = newProxy(t, func(s *Server) { s.Settings.Limits.BadCommands = 3 })
	for _, in := range []string{
		strings.Repeat("a FOO\r\n", 5),
		"a ID (" + strings.Repeat("x", maxLine) + ")\r\n",
		"a LOGIN {200000+}\r\n",
		"GET / HTTP/1.1\r\n",
		"a LOGIN u\x00 p\r\n",
	} {
		c := p.dial(t)
		c.expect("* OK")
		c.send(in)
		c.expect("* BYE")
	}
	c = p.dial(t)
	c.expect("* OK")
	c.send("a LOGIN {200000}\r\n")
	c.expect("a NO [TOOBIG]")
	c.send("a ID (\"x\" \"" + strings.Repeat("y", 40_000) + "\")\r\n")
	c.expect("a OK")
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("did not happen within 5 s")
}
