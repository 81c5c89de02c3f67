package proxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/auth"
	"postern/internal/emulator"
)

// exchangeAccounts is ann at the emulator. Its tokens are the emulator's own.
type exchangeAccounts struct {
	fakeAccounts
	e *emulator.Emulator

	mu    sync.Mutex // guards what follows
	token auth.Token
	asked int   // renewals
	fail  error // of a renewal
}

func (a *exchangeAccounts) Token(context.Context, string) (auth.Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token.Access.IsZero() {
		a.issueLocked(emulator.Grant{})
	}
	return a.token, nil
}

func (a *exchangeAccounts) Renew(_ context.Context, _ string, refused auth.Secret) (auth.Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if a.fail != nil {
		return auth.Token{}, a.fail
	}
	if a.token.Access == refused {
		a.issueLocked(emulator.Grant{})
	}
	return a.token, nil
}

// use makes the next logins use a token as g says, that is an hour old.
func (a *exchangeAccounts) use(g emulator.Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.issueLocked(g)
	a.token.Issued = time.Now().Add(-time.Hour)
}

func (a *exchangeAccounts) issueLocked(g emulator.Grant) {
	if g.Scopes == nil {
		g.Scopes = []string{emulator.ScopeIMAP, emulator.ScopePOP, emulator.ScopeSMTP}
	}
	tokens, err := a.e.Identity.Issue(g)
	if err != nil {
		panic(err)
	}
	a.token = auth.Token{Access: auth.NewSecret(tokens.Access), Expiry: tokens.Expiry, Issued: time.Now()}
}

// exchange is a proxy for one protocol in front of the emulator.
type exchange struct {
	*proxyUnderTest
	e        *emulator.Emulator
	accounts *exchangeAccounts
}

func newExchange(t testing.TB, p Protocol, opt emulator.Options, change ...func(*Server)) *exchange {
	t.Helper()
	opt.Users = []emulator.User{{Address: fakeUser}, {Address: "bob@example.com"}}
	e, err := emulator.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	accounts := &exchangeAccounts{e: e}
	accounts.account = auth.Account{Email: fakeUser, Mailbox: fakeUser, Provider: auth.Provider{
		Name: "exchange", IMAP: e.IMAP.Addr(), SMTP: e.SMTP.Addr(), POP3: e.POP3.Addr(), RootCAs: e.CAPool(),
	}}
	change = append([]func(*Server){func(s *Server) { s.Accounts = accounts }}, change...)
	return &exchange{newProxyFor(t, p, change...), e, accounts}
}

// plainLogin is the SASL PLAIN message of fakeUser.
func plainLogin(password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + fakeUser + "\x00" + password))
}

// say sends a line and wants an answer that begins so. Earlier lines of an SMTP reply are read over.
func (c *client) say(line, want string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	for {
		got := c.line()
		if len(got) > 3 && got[3] == '-' && got[0] != '-' && got[0] != '+' {
			continue
		}
		if !strings.HasPrefix(got, want) {
			c.t.Fatalf("%q: got %q, want %q", line, got, want)
		}
		return got
	}
}

// randomMail is a message of so many bytes, whose lines look like anything, the protocol's own words included.
func randomMail(size int) []byte {
	rng := rand.New(rand.NewPCG(3, uint64(size)))
	b := []byte("Subject: random\r\n\r\n")
	words := []string{".", "..", "QUIT", "RSET", "AUTH PLAIN AAAA", "BDAT 5 LAST", "DATA", "a LOGIN x y", "USER x", ""}
	for len(b) < size-100 {
		b = append(b, words[rng.IntN(len(words))]...)
		for range rng.IntN(70) {
			b = append(b, byte(' '+rng.IntN(95)))
		}
		b = append(b, "\r\n"...)
	}
	for len(b) < size-2 {
		b = append(b, 'x')
	}
	return append(b, "\r\n"...)
}

// stuffed is a message as DATA and RETR carry it.
func stuffed(raw []byte) []byte {
	return append(bytes.ReplaceAll(raw, []byte("\r\n."), []byte("\r\n..")), ".\r\n"...)
}

// inPieces writes s cut at random places, every third time in single bytes.
func (c *client) inPieces(rng *rand.Rand, run int, s string) {
	most := len(s)
	for len(s) > 0 {
		n := min(len(s), 1+rng.IntN(most))
		if run%3 == 0 {
			n = 1
		}
		if _, err := io.WriteString(c, s[:n]); err != nil {
			return // the test sees what is missing
		}
		s = s[n:]
	}
}

// sawNoSecret fails if a server has received the local password, or if tokens were renewed another number of times.
func (x *exchange) sawNoSecret(t *testing.T, received [][]byte, renewals int) {
	t.Helper()
	if x.accounts.asked != renewals {
		t.Errorf("%d renewals, want %d", x.accounts.asked, renewals)
	}
	for _, b := range received {
		noSecret(t, 0, b)
	}
}

// noSecret fails if what a server received has the local password, as it is or as a SASL message has it.
func noSecret(t *testing.T, run int, received []byte) {
	t.Helper()
	for _, secret := range []string{
		fakePassword, plainLogin(fakePassword), base64.StdEncoding.EncodeToString([]byte(fakePassword)),
	} {
		if bytes.Contains(received, []byte(secret)) {
			t.Fatalf("run %d: the local password went upstream", run)
		}
	}
}
