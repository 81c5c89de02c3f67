package proxy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/auth"
)

// fakeAccounts knows one account and hands out tokens "token-1", "token-2" …
type fakeAccounts struct {
	account auth.Account
	mu      sync.Mutex
	tokens  int
	age     time.Duration // how old a token from Token looks
	fail    error
	check   func(auth.Login) (auth.Login, error) // the last word about a right password; nil = yes
}

const (
	fakeUser     = "ann@example.com"
	fakePassword = `secret "p\w"`
)

func (f *fakeAccounts) CheckPassword(_ context.Context, user string, password auth.Secret) (auth.Login, error) {
	login, err := f.login(user, password)
	if err == nil && f.check != nil {
		return f.check(login)
	}
	return login, err
}

func (f *fakeAccounts) login(user string, password auth.Secret) (auth.Login, error) {
	if strings.EqualFold(user, fakeUser) {
		switch password.Reveal() {
		case fakePassword:
			return auth.Login{Account: f.account, Label: "test"}, nil
		case "known":
			return auth.Login{Account: f.account, PasswordID: "id-known", Label: "known"}, nil
		case "reader":
			return auth.Login{Account: f.account, PasswordID: "id-reader", Label: "backup", ReadOnly: true}, nil
		case "sender":
			return auth.Login{Account: f.account, Label: "scanner", SendOnly: true}, nil
		case "unread":
			return auth.Login{}, &auth.Problem{Class: auth.Retry, Say: "the store is locked"}
		}
	}
	return auth.Login{}, auth.ErrWrongPassword
}

func (f *fakeAccounts) token() auth.Token {
	return auth.Token{
		Access: auth.NewSecret("token-" + string(rune('0'+f.tokens))), Expiry: time.Now().Add(time.Hour), Issued: time.Now().Add(-f.age),
	}
}

func (f *fakeAccounts) Token(context.Context, string) (auth.Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.token(), f.fail
}

func (f *fakeAccounts) Renew(_ context.Context, _ string, refused auth.Secret) (auth.Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if refused == f.token().Access {
		f.tokens++
	}
	return f.token(), f.fail
}

// fakeUpstream is a TLS server whose sessions a test scripts.
type fakeUpstream struct {
	ln    net.Listener
	roots *x509.CertPool
	conns chan *upstreamConn
}

type upstreamConn struct {
	net.Conn
	br *bufio.Reader
}

var testCertificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		NotBefore: time.Now().Add(-time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	parsed, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
})

func newFakeUpstream(t testing.TB, implicitTLS bool) *fakeUpstream {
	cert, roots := testCertificate()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if implicitTLS {
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	u := &fakeUpstream{ln: ln, roots: roots, conns: make(chan *upstreamConn, 100)}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				close(u.conns)
				return
			}
			u.conns <- &upstreamConn{Conn: conn, br: bufio.NewReader(conn)}
		}
	}()
	t.Cleanup(func() { ln.Close() })
	return u
}

func (c *upstreamConn) line(t testing.TB) string {
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := c.br.ReadString('\n')
	if err != nil {
		t.Errorf("upstream read: %v (after %q)", err, line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// startTLS is the server's side of STARTTLS, after its go-ahead.
func (c *upstreamConn) startTLS(t testing.TB) {
	cert, _ := testCertificate()
	conn := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
	if err := conn.Handshake(); err != nil {
		t.Errorf("upstream TLS: %v", err)
	}
	c.Conn, c.br = conn, bufio.NewReader(conn)
}

func (c *upstreamConn) send(lines ...string) {
	io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n")
}

// admit plays a server through a login with the old Exchange's answers, and returns the proof it got.
func (c *upstreamConn) admit(t testing.TB) string {
	c.send("* OK The Microsoft Exchange IMAP4 service is ready. [VABFAFMAVAA=]")
	c.answer(t, "CAPABILITY", "* CAPABILITY IMAP4 IMAP4rev1 AUTH=XOAUTH2 SASL-IR IDLE NAMESPACE LITERAL+")
	line := c.line(t)
	tag, proof, _ := strings.Cut(line, " AUTHENTICATE XOAUTH2 ")
	c.send(tag + " OK AUTHENTICATE completed.")
	c.answer(t, "CAPABILITY", "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID IDLE NAMESPACE LITERAL+")
	c.answer(t, "NAMESPACE", `* NAMESPACE (("" "/")) NIL NIL`)
	return proof
}

func (c *upstreamConn) answer(t testing.TB, command string, untagged ...string) {
	line := c.line(t)
	tag, name, _ := strings.Cut(line, " ")
	if name != command {
		t.Errorf("upstream got %q, want %s", line, command)
	}
	c.send(append(untagged, tag+" OK "+command+" completed.")...)
}

// proxyUnderTest is a server with one account at a fake upstream.
type proxyUnderTest struct {
	*Server
	accounts *fakeAccounts
	upstream *fakeUpstream
	addr     string
	stop     context.CancelFunc
	done     chan error
	log      *lockedBuffer
}

func newProxy(t testing.TB, change ...func(*Server)) *proxyUnderTest {
	return newProxyFor(t, IMAP(), change...)
}

func newProxyFor(t testing.TB, protocol Protocol, change ...func(*Server)) *proxyUnderTest {
	up := newFakeUpstream(t, protocol.implicitTLS(""))
	addr := up.ln.Addr().String()
	p := &proxyUnderTest{upstream: up, done: make(chan error, 1), log: &lockedBuffer{}}
	p.accounts = &fakeAccounts{tokens: 1, account: auth.Account{
		Email: fakeUser, Mailbox: fakeUser,
		Provider: auth.Provider{Name: "fake", IMAP: addr, SMTP: addr, POP3: addr, RootCAs: up.roots},
	}}
	p.Server = &Server{
		Accounts: p.accounts,
		Log:      textLog(p.log),
		Settings: Settings{Limits: Limits{DrainTime: time.Second, HalfCloseTime: time.Second}},
		NoSpares: true,
	}
	for _, c := range change {
		c(p.Server)
	}
	p.prepare() // for tests that make a session themselves, before Serve does it
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { p.done <- p.Serve(ctx, ln, protocol) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-p.done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
			p.done <- nil
		case <-time.After(20 * time.Second):
			t.Error("Serve does not end")
		}
	})
	return p
}

func textLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// client is a mail client that a test plays.
type client struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
}

func (p *proxyUnderTest) dial(t testing.TB) *client {
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &client{Conn: conn, t: t, br: bufio.NewReader(conn)}
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("client write: %v", err)
	}
}

func (c *client) line() string {
	c.t.Helper()
	line, err := c.br.ReadString('\n')
	if err != nil {
		c.t.Fatalf("client read: %v (after %q)", err, line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// expect reads lines until one begins with prefix, which it returns.
func (c *client) expect(prefix string) string {
	c.t.Helper()
	for range 100 {
		if line := c.line(); strings.HasPrefix(line, prefix) {
			return line
		}
	}
	c.t.Fatalf("no line %q in 100", prefix)
	return ""
}

const loginLine = `a LOGIN ann@example.com "secret \"p\\w\""` + "\r\n"

// forgetAll makes the next login ask the upstream everything.
func (p *proxyUnderTest) forgetAll() {
	p.knowledge.mu.Lock()
	defer p.knowledge.mu.Unlock()
	clear(p.knowledge.servers)
	clear(p.knowledge.proved)
}

// login logs the client in and returns the upstream's side.
func (p *proxyUnderTest) login(t testing.TB) (*client, *upstreamConn) {
	t.Helper()
	p.forgetAll()
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	select {
	case up := <-p.upstream.conns:
		up.admit(t)
		c.expect("a OK")
		return c, up
	case <-time.After(20 * time.Second):
		t.Fatal("nobody asks the upstream")
		return nil, nil
	}
}

// lockedBuffer is a log that a test reads while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
