package proxy

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"postern/auth"
	"postern/internal/emulator"
)

// submit is a client that has logged in.
func (x *exchange) submit(t testing.TB) *client {
	t.Helper()
	c := x.dial(t)
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	c.expect("220 ")
	c.say("EHLO client", "250 ")
	c.say("AUTH PLAIN "+plainLogin(fakePassword), "235 2.7.0 ")
	return c
}

func TestSubmissionsArriveByteEqual(t *testing.T) {
	t.Parallel()
	const size = 30_000_000
	raw := randomMail(size)
	x := newExchange(t, SMTP(), emulator.Options{RecordLimit: -1})
	envelope := "MAIL FROM:<" + fakeUser + "> SIZE=30000000 BODY=8BITMIME\r\nRCPT TO:<bob@example.com> NOTIFY=NEVER\r\n"
	write := func(c *client, parts ...[]byte) {
		for _, p := range parts {
			if _, err := c.Write(p); err != nil {
				t.Error(err)
			}
		}
	}
	for name, send := range map[string]func(*client){
		"in order": func(c *client) {
			c.say("MAIL FROM:<"+fakeUser+">", "250 ")
			c.say("RCPT TO:<bob@example.com>", "250 ")
			c.say("DATA", "354 ")
			write(c, stuffed(raw))
		},
		"pipelined": func(c *client) { // RFC 2920: DATA is the last of a group
			c.send(envelope + "DATA\r\n")
			c.expect("354 ")
			write(c, stuffed(raw), []byte("NOOP\r\nQUIT\r\n"))
		},
		"chunks": func(c *client) { // RFC 3030: everything in one go
			write(c, []byte(envelope))
			for rest := raw; len(rest) > 0; {
				n := min(len(rest), 7_654_321)
				write(c, fmt.Appendf(nil, "BDAT %d\r\n", n), rest[:n])
				rest = rest[n:]
			}
			write(c, []byte("BDAT 0 LAST\r\nQUIT\r\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(x.e.SMTP.Messages())
			c := x.submit(t)
			send(c) // the answers are short enough to wait
			c.expect("250 2.0.0 OK <")
			all := x.e.SMTP.Messages()
			if len(all) != before+1 {
				t.Fatalf("%d messages arrived", len(all)-before)
			}
			if got := all[before]; !bytes.Equal(got.Raw, raw) || got.BDAT != (name == "chunks") {
				t.Errorf("%d bytes arrived, not those that were sent", len(got.Raw))
			}
			c.Close()
		})
	}
}

// A client's whole conversation, cut at random places and sent without waiting: the upstream gets exactly what is
// its, and never the local password, not even where a client logs in twice.
func TestSMTPRandomSegmentations(t *testing.T) {
	t.Parallel()
	const content = "Subject: x\r\n\r\nAUTH PLAIN is text\r\n..\r\nMAIL\r\n.\r\n"
	secret := plainLogin(fakePassword)
	logins := []string{
		"EHLO client\r\nAUTH PLAIN " + secret + "\r\n",
		"HELO client\r\nauth plain\r\n" + secret + "\r\n",
		"EHLO client\r\nNOOP\r\nAUTH LOGIN\r\n" + base64.StdEncoding.EncodeToString([]byte(fakeUser)) + "\r\n" +
			base64.StdEncoding.EncodeToString([]byte(fakePassword)) + "\r\n",
		"EHLO client\r\nAuth Login " + base64.StdEncoding.EncodeToString([]byte(fakeUser)) + "\r\n" +
			base64.StdEncoding.EncodeToString([]byte(fakePassword)) + "\r\n",
		"EHLO client\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN " + secret + "\r\n",
	}
	rest := func(login string) string {
		return "MAIL FROM:<" + fakeUser + ">\r\nRCPT TO:<bob@example.com>\r\n" + login + "DATA\r\n" + content +
			"MAIL FROM:<" + fakeUser + ">\r\nRCPT TO:<bob@example.com>\r\nBDAT 12 LAST\r\nAUTH PLAIN\r\n" + login + "QUIT\r\n"
	}
	x := newExchange(t, SMTP(), emulator.Options{SMTP: emulator.SMTPOptions{MaxPerUser: -1}}, func(s *Server) { s.Settings.Limits.Submissions = 1000 })
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		again := "AUTH PLAIN " + secret + "\r\n"
		if i%2 == 0 {
			again = " aUtH\tPLAIN " + secret + "\r\n" // no server takes it so; one that did must not get it
		}
		c := x.dial(t)
		go c.inPieces(rand.New(rand.NewPCG(rng.Uint64(), 0)), i, logins[i%len(logins)]+rest(again))
		if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "221 2.0.0 Service closing transmission channel\r\n") {
			t.Fatalf("run %d: %v, client got %q", i, err, got)
		}
		received := x.e.SMTP.Received()[i]
		noSecret(t, i, received)
		own, relayed, _ := bytes.Cut(received, []byte("MAIL"))
		if want := rest("XPOSTERN\r\n"); "MAIL"+string(relayed) != want {
			t.Fatalf("run %d: upstream got %q\nwant %q", i, relayed, want)
		}
		if !strings.HasPrefix(string(own), "EHLO localhost\r\nSTARTTLS\r\nEHLO localhost\r\nAUTH XOAUTH2\r\n") {
			t.Fatalf("run %d: before the relay upstream got %q", i, own)
		}
		sent := x.e.SMTP.Messages()
		if len(sent) != 2*i+2 || string(sent[2*i].Raw) != strings.ReplaceAll(content[:len(content)-3], "\r\n..", "\r\n.") || string(sent[2*i+1].Raw) != "AUTH PLAIN\r\n" {
			t.Fatalf("run %d: %d messages, the last %q", i, len(sent), sent[len(sent)-1].Raw)
		}
	}
	if strings.Contains(x.log.String(), "secret") {
		t.Error("the log has the local password")
	}
}

// The codes of RFC 4954 for each kind of trouble, and that the connection stays usable.
func TestSMTPRefusals(t *testing.T) {
	t.Parallel()
	limits := func(s *Server) {
		s.Settings.Limits.Patience = 50 * time.Millisecond
		s.SignInURL = func(string) string { return "http://127.0.0.1:1180/sign-in/x" }
	}
	tests := []struct {
		name     string
		prepare  func(*exchange)
		password string
		want     string
		renewals int
	}{
		{"wrong password", func(*exchange) {}, "wrong", "535 5.7.8 wrong user name or password", 0},
		{"read-only", func(*exchange) {}, "reader", "535 5.7.1 this local password may only read", 0},
		{"expired token", func(x *exchange) { x.accounts.use(emulator.Grant{Life: -time.Second}) }, fakePassword, "235 2.7.0 ", 1},
		{"token for IMAP", func(x *exchange) {
			x.accounts.use(emulator.Grant{Scopes: []string{emulator.ScopeIMAP}})
			x.accounts.fail = &auth.Problem{Class: auth.SignIn, Say: "the sign-in has expired"}
		}, fakePassword, "454 4.7.0 ann@example.com: the sign-in has expired; sign in again: http://127.0.0.1:1180/sign-in/x", 1},
		{"refused for good", func(x *exchange) { x.e.SMTP.Fail(emulator.AtLogin, -1, emulator.MailFault{Kind: emulator.Refuse}) }, fakePassword, "454 4.7.0 ", 0},
		{"mailbox disabled", func(x *exchange) { x.e.SMTP.Disable(fakeUser, true) }, fakePassword, "535 5.7.139 ann@example.com: ", 0},
		{"tenant disabled", func(x *exchange) {
			x.e.SMTP.Configure(func(o *emulator.SMTPOptions) { o.TenantDisabled = true })
		}, fakePassword, "535 5.7.139 ann@example.com: ", 0},
		{"mailbox used elsewhere", func(x *exchange) {
			x.e.SMTP.Fail(emulator.AtLogin, -1, emulator.MailFault{Kind: emulator.Refuse, Text: "432 4.3.2 Concurrent connections limit exceeded."})
		}, fakePassword, "454 4.7.0 ann@example.com: ", 0},
		{"server is down", func(x *exchange) { x.e.SMTP.Fail(emulator.AtGreeting, -1, emulator.MailFault{Kind: emulator.Bye}) }, fakePassword, "454 4.7.0 ", 0},
		{"server resets", func(x *exchange) { x.e.SMTP.Fail(emulator.AtGreeting, -1, emulator.MailFault{Kind: emulator.Reset}) }, fakePassword, "454 4.7.0 ", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, SMTP(), emulator.Options{}, limits)
			tt.prepare(x)
			c := x.dial(t)
			c.expect("220 ")
			c.say("EHLO client", "250 ")
			c.say("MAIL FROM:<x>", "530 ")
			c.say("AUTH PLAIN "+plainLogin(tt.password), tt.want)
			c.say("NOOP", "250 ")
			x.sawNoSecret(t, x.e.SMTP.Received(), tt.renewals)
		})
	}
}

// A fourth session waits for a place, and the upstream never sees one too many.
func TestSMTPFourthSession(t *testing.T) {
	t.Parallel()
	x := newExchange(t, SMTP(), emulator.Options{}, func(s *Server) { s.Settings.Limits.Patience = 100 * time.Millisecond })
	first := x.submit(t)
	x.submit(t)
	x.submit(t)
	fourth := x.dial(t)
	fourth.expect("220 ")
	fourth.say("AUTH PLAIN "+plainLogin(fakePassword), "454 4.3.2 ann@example.com: the mailbox has 3 sessions already")
	if n := x.e.SMTP.Count("CONNECT"); n != 3 {
		t.Errorf("%d upstream sessions", n)
	}
	first.say("QUIT", "221 ")
	waitFor(t, func() bool { return len(x.e.SMTP.Sessions()) == 2 })
	waitFor(t, func() bool {
		fourth.send("AUTH PLAIN " + plainLogin(fakePassword) + "\r\n")
		return strings.HasPrefix(fourth.line(), "235 ")
	})
}

// The first answer to EHLO is the safe core; once a server has been seen, it is what that server offers.
func TestSMTPFeaturesAreLearned(t *testing.T) {
	t.Parallel()
	x := newExchange(t, SMTP(), emulator.Options{})
	x.submit(t).say("QUIT", "221 ")
	c := x.dial(t)
	c.expect("220 ")
	c.send("EHLO client\r\n")
	var got []string
	for {
		line := c.line()
		got = append(got, line[4:])
		if line[3] == ' ' {
			break
		}
	}
	want := "localhost SIZE 157286400 PIPELINING DSN ENHANCEDSTATUSCODES 8BITMIME BINARYMIME CHUNKING SMTPUTF8 AUTH PLAIN LOGIN"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %q\nwant %q", strings.Join(got, " "), want)
	}
}

func TestSMTPShutdown(t *testing.T) {
	t.Parallel()
	x := newExchange(t, SMTP(), emulator.Options{})
	c := x.submit(t)
	x.stop()
	if got := c.line(); !strings.HasPrefix(got, "421 4.3.2 ") {
		t.Errorf("got %q", got)
	}
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("then %v, want EOF", err)
	}
}
