package proxy

import (
	"encoding/base64"
	"net"
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

// The account is named although its password could not be looked at.
func TestRefusedBeforeThePassword(t *testing.T) {
	t.Parallel()
	c := newProxy(t).dial(t)
	c.expect("* OK")
	c.send("a LOGIN ann@example.com unread\r\n")
	if got := c.line(); !strings.HasPrefix(got, "a NO [UNAVAILABLE] ann@example.com: the store is locked; ") {
		t.Errorf("got %q", got)
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
	if got := c.line(); !strings.HasPrefix(got, "a NO ") || !strings.Contains(got, "postern login "+fakeUser) {
		t.Errorf("got %q", got)
	}
	if l := p.Stats().Troubles; len(l) != 1 || l[0].Account != fakeUser || l[0].Protocol != "imap" || l[0].Problem.Class != auth.Configuration {
		t.Errorf("%+v, want what the server has said", l)
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
		"a ID {1+}\r\nx" + strings.Repeat(" "+strings.Repeat("y", maxLine-100)+" {1+}\r\nx", 3),
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

// What is kept of a wrong login is little, however long the name is.
func TestLongNamesAreNotKept(t *testing.T) {
	key := penaltyKey(strings.Repeat("\xff", maxLiteral), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if len(key) > 4*mostUser {
		t.Errorf("%d bytes are kept", len(key))
	}
}
