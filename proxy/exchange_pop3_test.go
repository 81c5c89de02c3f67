package proxy

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"postern/auth"
	"postern/internal/emulator"
)

func TestPOP3BringsMailByteEqual(t *testing.T) {
	t.Parallel()
	raw := randomMail(30_000_000)
	x := newExchange(t, POP3(), emulator.Options{})
	if err := x.e.IMAP.Deliver(fakeUser, "", raw); err != nil {
		t.Fatal(err)
	}
	c := x.dial(t)
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	c.expect("+OK ")
	c.say("USER "+fakeUser, "+OK")
	c.say("PASS "+fakePassword, "+OK User successfully authenticated.")
	c.say("RETR 6", "+OK 30000000")
	want := stuffed(raw)
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.br, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes came, or not the same (%v)", n, len(want), err)
	}
	c.say("STAT", "+OK 6 ")
}

func TestPOP3RandomSegmentations(t *testing.T) {
	t.Parallel()
	secret := plainLogin(fakePassword)
	logins := []string{
		"USER " + fakeUser + "\r\nPASS " + fakePassword + "\r\n",
		"CAPA\r\nuser " + fakeUser + "\r\npass " + fakePassword + "\r\n",
		"AUTH PLAIN " + secret + "\r\n",
		"auth plain\r\n" + secret + "\r\n",
		"AUTH LOGIN\r\n" + base64.StdEncoding.EncodeToString([]byte(fakeUser)) + "\r\n" +
			base64.StdEncoding.EncodeToString([]byte(fakePassword)) + "\r\n",
		"AUTH PLAIN\r\n*\r\nUSER x\r\nUSER " + fakeUser + "\r\nPASS " + fakePassword + "\r\n",
	}
	second := []string{
		"PASS " + fakePassword + "\r\n", "\tpAsS " + fakePassword + "\r\n", "AUTH PLAIN " + secret + "\r\n",
		"APOP ann " + fakePassword + "\r\n", "USER " + fakePassword + "\r\n",
	}
	rest := func(login string) string {
		return "STAT\r\n" + login + "LIST\r\nUIDL\r\nRETR 1\r\nTOP 2 3\r\nDELE 1\r\nRSET\r\n" + login + "QUIT\r\n"
	}
	x := newExchange(t, POP3(), emulator.Options{}, func(s *Server) { s.Settings.Limits.PerMailbox = 1000 })
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		c := x.dial(t)
		go c.inPieces(rand.New(rand.NewPCG(rng.Uint64(), 0)), i, logins[i%len(logins)]+rest(second[i%len(second)]))
		if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "+OK Microsoft Exchange Server POP3 server signing off.\r\n") {
			t.Fatalf("run %d: %v, client got %q", i, err, got)
		}
		received := x.e.POP3.Received()[i]
		noSecret(t, i, received)
		own, relayed, _ := bytes.Cut(received, []byte("STAT\r\n"))
		if want := rest("XPOSTERN\r\n"); "STAT\r\n"+string(relayed) != want {
			t.Fatalf("run %d: upstream got %q\nwant %q", i, relayed, want)
		}
		if !strings.HasPrefix(strings.TrimPrefix(string(own), "CAPA\r\n"), "AUTH XOAUTH2\r\n") {
			t.Fatalf("run %d: before the relay upstream got %q", i, own)
		}
	}
	if strings.Contains(x.log.String(), "secret") {
		t.Error("the log has the local password")
	}
}

// The codes of RFC 3206 for each kind of trouble, and that the connection stays usable.
func TestPOP3Refusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		prepare  func(*exchange)
		password string
		want     string
		renewals int
	}{
		{"wrong password", func(*exchange) {}, "wrong", "-ERR [AUTH] wrong user name or password", 0},
		{"send-only", func(*exchange) {}, "sender", "-ERR [SYS/PERM] this local password is only for sending", 0},
		{"expired token", func(x *exchange) { x.accounts.use(emulator.Grant{Life: -time.Second}) }, fakePassword, "+OK User successfully", 1},
		{"sign-in needed", func(x *exchange) {
			x.accounts.use(emulator.Grant{Life: -time.Second})
			x.accounts.fail = &auth.Problem{Class: auth.SignIn, Say: "the sign-in has expired"}
		}, fakePassword, "-ERR [SYS/PERM] ann@example.com: the sign-in has expired; sign in again: postern login ann@example.com", 1},
		{"POP3 disabled", func(x *exchange) { x.e.POP3.Disable(fakeUser, true) }, fakePassword, "-ERR [SYS/TEMP] ann@example.com: ", 0},
		{"long token", func(x *exchange) {
			x.e.POP3.Configure(func(o *emulator.POP3Options) { o.MaxToken = 100 })
		}, fakePassword, "-ERR [SYS/PERM] ann@example.com: the POP server refused the form of the login", 0},
		{"server is down", func(x *exchange) { x.e.POP3.Fail(emulator.AtGreeting, -1, emulator.MailFault{Kind: emulator.Refuse}) }, fakePassword, "-ERR [SYS/TEMP] ", 0},
		{"server resets", func(x *exchange) { x.e.POP3.Fail(emulator.AtLogin, -1, emulator.MailFault{Kind: emulator.Reset}) }, fakePassword, "-ERR [SYS/TEMP] ", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newExchange(t, POP3(), emulator.Options{})
			tt.prepare(x)
			c := x.dial(t)
			c.expect("+OK ")
			c.say("AUTH PLAIN "+plainLogin(tt.password), tt.want)
			if !strings.HasPrefix(tt.want, "+OK") {
				c.say("CAPA", "+OK")
			}
			x.sawNoSecret(t, x.e.POP3.Received(), tt.renewals)
		})
	}
}

func TestPOP3MailboxFull(t *testing.T) {
	t.Parallel()
	x := newExchange(t, POP3(), emulator.Options{}, func(s *Server) {
		s.Settings.Limits.Patience, s.Settings.Limits.PerMailbox = 50*time.Millisecond, 1
	})
	for _, want := range []string{"+OK User", "-ERR [IN-USE] ann@example.com: the mailbox has 1 session already"} {
		c := x.dial(t)
		c.expect("+OK ")
		c.say("AUTH PLAIN "+plainLogin(fakePassword), want)
	}
}

// A read-only password deletes nothing, and RETR goes on.
func TestPOP3ReadOnly(t *testing.T) {
	t.Parallel()
	x := newExchange(t, POP3(), emulator.Options{})
	for range 2 {
		c := x.dial(t)
		c.expect("+OK ")
		c.say("AUTH PLAIN "+plainLogin("reader"), "+OK")
		c.say("DELE 1", "-ERR")
		c.say("STAT", "+OK 5 ")
		c.say("QUIT", "+OK")
	}
	if n := x.e.POP3.Count("DELE"); n != 0 {
		t.Errorf("%d DELE went upstream", n)
	}
}
