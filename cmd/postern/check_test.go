package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/auth"
	"postern/internal/control"
	"postern/internal/emulator"
	"postern/internal/store"
	"postern/proxy"
)

// last is the only finding of a topic that f spoke about.
func last(t *testing.T, f func(topic)) finding {
	t.Helper()
	r := &report{}
	f(r.on("it"))
	if len(r.findings) != 1 {
		t.Fatalf("%d findings: %v", len(r.findings), r.findings)
	}
	return r.findings[0]
}

func want(t *testing.T, f finding, l level, part string) {
	t.Helper()
	if f.Level != l || !strings.Contains(f.Found+" "+f.Cure, part) {
		t.Errorf("got %q, want %s with %q", f, l, part)
	}
}

func TestVerdictIsTheFirstFail(t *testing.T) {
	r := &report{}
	if r.on("a").warn("", "w"); r.verdict() != nil {
		t.Error("a warning is no failure")
	}
	r.on("b").fail(exitSignIn, "cure b", "broken")
	r.on("c").fail(exitConfig, "cure c", "broken too")
	err := r.verdict()
	if got := exitCode(t.Context(), err); got != exitSignIn || err.Error() != "b: broken (and 1 more)" || hint(err) != "cure b" {
		t.Errorf("code %d, %q, hint %q", got, err, hint(err))
	}
}

func TestClockSkew(t *testing.T) {
	for _, tt := range []struct {
		ahead time.Duration
		want  level
		part  string
	}{
		{0, levelOK, "no more than"},
		{time.Minute, levelOK, "no more than"},
		{5 * time.Minute, levelWarn, "behind that of"},
		{-5 * time.Minute, levelWarn, "ahead of that of"},
	} {
		srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(tt.ahead).UTC().Format(http.TimeFormat))
		}))
		roots := x509.NewCertPool()
		roots.AddCert(srv.Certificate())
		u, _ := url.Parse(srv.URL)
		c := &checkup{report: &report{}, reached: map[string]reached{u.Host + " p": askHTTP(t.Context(), u, roots)}}
		c.clock(auth.Account{Provider: auth.Provider{Name: "p", TokenURL: srv.URL}})
		want(t, c.findings[0], tt.want, tt.part)
		srv.Close()
	}
}

func TestServed(t *testing.T) {
	open := []control.Listener{{Name: "imap", Address: "127.0.0.1:1143"}, {Name: "web", Address: "[::]:1180"}}
	for _, tt := range []struct {
		key, wanted string
		want        level
		part        string
	}{
		{"imap", "127.0.0.1:1143", levelOK, "127.0.0.1:1143"},
		{"imap", "127.0.0.1:0", levelOK, ""},
		{"imap", "localhost:1143", levelOK, ""},
		{"imap", "127.0.0.1:1144", levelWarn, "the configuration says 127.0.0.1:1144"},
		{"imap", "192.0.2.1:1143", levelWarn, "postern reload"},
		{"web", "0.0.0.0:1180", levelOK, ""},
		{"smtp", "127.0.0.1:1587", levelWarn, "changed after it started"},
	} {
		want(t, last(t, func(it topic) { it.served(open, tt.key, tt.wanted) }), tt.want, tt.part)
	}
}

func TestUnreachedNamesTheStep(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	ln.Close()
	plain := serveLines(t, "* OK no TLS here")
	for _, tt := range []struct{ address, part string }{
		{closed, "can not connect to " + closed + ": connect"},
		{plain, "does not speak TLS"},
	} {
		r := askMail(t.Context(), tt.address, nil, false)
		want(t, last(t, func(it topic) { it.reached(tt.address, "provider.p", r) }), levelFail, tt.part)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	r := askMail(ctx, plain, nil, false)
	want(t, last(t, func(it topic) { it.reached(plain, "provider.p", r) }), levelFail, "does not answer")
}

// serveLines is a server that says one line and waits for the end.
func serveLines(t *testing.T, line string) string {
	return serve(t, func(conn net.Conn) {
		fmt.Fprintf(conn, "%s\r\n", line)
		conn.Read(make([]byte, 1))
	})
}

func serve(t *testing.T, talk func(net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				talk(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

func TestSMTPServerIsAskedWithSTARTTLS(t *testing.T) {
	certPEM, keyPEM := testCertificate(t, time.Now().AddDate(0, 1, 0))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	address := serve(t, func(conn net.Conn) {
		lines := bufio.NewScanner(conn)
		fmt.Fprint(conn, "220 hello\r\n")
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "STARTTLS") {
				fmt.Fprint(conn, "220 go ahead\r\n")
				secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
				if secure.Handshake() == nil {
					secure.Read(make([]byte, 100)) // EHLO again
					fmt.Fprint(secure, "250 hello\r\n")
				}
				return
			}
			fmt.Fprint(conn, "250-hello\r\n250 STARTTLS\r\n")
		}
	})
	_, port, _ := net.SplitHostPort(address)
	address = "localhost:" + port
	want(t, last(t, func(it topic) {
		it.reached(address, "provider.p", askMail(t.Context(), address, roots, true))
	}), levelOK, "TLS 1.3")
	want(t, last(t, func(it topic) {
		it.reached(address, "provider.p", askMail(t.Context(), address, x509.NewCertPool(), true))
	}), levelFail, "set ca_file in provider.p")
}

func TestClientSecretAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, last(t, func(it topic) { it.clientSecret(path, time.Now()) }), levelOK, "only the app registration tells")
	want(t, last(t, func(it topic) { it.clientSecret(path, time.Now().AddDate(0, 23, 5)) }), levelWarn, "two years")
	want(t, last(t, func(it topic) { it.clientSecret(path+"x", time.Now()) }), levelFail, "client_secret_file")
}

func TestTokenClaims(t *testing.T) {
	jwt := func(claims string) auth.Secret {
		return auth.NewSecret("e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig")
	}
	account := auth.Account{Email: "ann@example.com", ClientID: "app", SignInAs: "ann@example.com", Mailbox: "info@example.com",
		Provider: auth.Provider{Name: "p", Scopes: []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"}}}
	kept := &store.Token{Refresh: auth.NewSecret("r"), Scopes: []string{"IMAP.AccessAsUser.all"}}
	read := func(claims string) (tokenClaims, bool) { return readClaims(jwt(claims)) }

	claims, ok := read(`{"aud":"https://outlook.office.com","appid":"app","upn":"ann@example.com"}`)
	got := auth.Token{Expiry: time.Now().Add(time.Hour)}
	want(t, last(t, func(it topic) { it.lasting(account, kept, got, claims, ok) }), levelOK, "JWT for https://outlook.office.com")
	want(t, last(t, func(it topic) { it.granted(account, kept) }), levelOK, "")
	want(t, last(t, func(it topic) { it.person(account, kept, claims) }), levelOK, "for the mailbox info@")

	other, ok := read(`{"aud":["https://outlook.office.com"],"azp":"another","upn":"bob@example.com"}`)
	want(t, last(t, func(it topic) { it.lasting(account, kept, got, other, ok) }), levelWarn, "another app (another)")
	want(t, last(t, func(it topic) { it.person(account, kept, other) }), levelWarn, "sign in as ann@example.com")
	want(t, last(t, func(it topic) { it.granted(account, &store.Token{Scopes: []string{"Mail.Read"}}) }), levelWarn, "does not cover https://outlook")
	want(t, last(t, func(it topic) { it.lasting(account, &store.Token{}, got, claims, true) }), levelWarn, "no refresh token")

	want(t, last(t, func(it topic) { it.covers(account, "smtp") }), levelFail, "SMTP.Send to scopes in provider.p")
	r := &report{}
	if !r.on("it").covers(account, "imap") || !r.on("it").covers(auth.Account{Provider: auth.Provider{Scopes: []string{"mail-w"}}}, "smtp") || len(r.findings) > 0 {
		t.Error("nothing is wrong with these scopes:", r.findings)
	}

	for aud, graph := range map[string]bool{"https://graph.microsoft.com": true, graphID: true, "https://outlook.office.com": false} {
		if c, _ := read(`{"aud":"` + aud + `"}`); c.isGraph() != graph {
			t.Errorf("%s: graph %v", aud, c.isGraph())
		}
	}
	for _, opaque := range []string{"EwB4A8l6BAAU", "a.b.c", "a.!.c"} {
		if _, ok := readClaims(auth.NewSecret(opaque)); ok {
			t.Errorf("%s is no JWT", opaque)
		}
	}
}

// TestBundleHoldsNoSecret makes an account with every kind of secret, breaks its mailbox so that much is said
// about it, and looks for all of them.
func TestBundleHoldsNoSecret(t *testing.T) {
	t.Parallel()
	const appSecret, tenant, clientID = "s3cr3t-of-the-app", "contoso.onmicrosoft.com", "6f1d2a90-1111-4222-8333-444455556666"
	e, err := emulator.Start(emulator.Options{
		Users:   []emulator.User{{Address: "ann@contoso.example", Password: "web-password", Work: true}},
		Clients: []emulator.Client{{ID: clientID, Secrets: []string{appSecret}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	tokens, err := e.Identity.Issue(emulator.Grant{User: "ann@contoso.example", ClientID: clientID})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const hash = "sha256$c2FsdHNhbHQ$3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	cfg := file("config.toml", fmt.Sprintf(`[listen]
imap = "127.0.0.1:0"
web = ""
[provider.lab]
token_url = %q
authorize_url = %q
scopes = [%q, "offline_access"]
imap = %q
ca_file = %q
[account."ann@contoso.example"]
provider = "lab"
client_id = %q
client_secret_file = %q
tenant = %q
mailbox = "info@contoso.example"
password_hash = %q
`, e.Identity.TokenURL("common"), e.Identity.AuthorizeURL("common"), emulator.ScopeIMAP, e.IMAP.Addr(), file("ca.pem", string(e.CAPEM())),
		clientID, file("secret", appSecret), tenant, hash))
	state := filepath.Join(dir, "state")
	password := keep(t, state, tokens)

	report := filepath.Join(dir, "report.txt")
	var out, errOut bytes.Buffer
	if code := run([]string{"--config", cfg, "--state", state, "check", "--bundle", report}, strings.NewReader(""), &out, &errOut); code == exitDone {
		t.Errorf("ann may not open info@:\n%s", out.String())
	}
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err, errOut.String())
	}
	text := string(b)
	for _, must := range []string{"fail  user1@domain1: imap login", "user2@domain1", "client1", "tenant1", `password_hash = "REDACTED"`, "== status"} {
		if !strings.Contains(text, must) {
			t.Errorf("the report has no %q", must)
		}
	}
	key, err := os.ReadFile(filepath.Join(state, "store.key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{tokens.Access, tokens.Refresh, appSecret, hash, password, "web-password", lastLine(string(key))}
	for _, s := range secrets {
		for name, output := range map[string]string{"report": text, "stdout": out.String(), "stderr": errOut.String()} {
			if strings.Contains(output, s) {
				t.Errorf("the secret %.8q… is in the %s", s, name)
			}
		}
	}
	for _, s := range []string{clientID, "contoso", "ann@", "info@"} {
		if strings.Contains(strings.ToLower(text), s) {
			t.Errorf("the name %q is in the report", s)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestBundleStatusHidesClients(t *testing.T) {
	since := time.Now()
	c := &checkup{running: &control.Status{Running: true, Started: &since, Accounts: []control.Account{{Account: "ann@contoso.example",
		Sessions: []proxy.SessionInfo{{ID: 1, Protocol: "imap", Password: "ann's laptop", Remote: "192.0.2.7:4000"}, {ID: 2, Protocol: "imap", Remote: "127.0.0.1:5"}}}}}}
	var b bytes.Buffer
	c.bundleStatus(t.Context(), &b, &pseudonyms{})
	if got := b.String(); strings.Contains(got, "laptop") || strings.Contains(got, "192.0.2") || !strings.Contains(got, "from host1:4000 (label1)") {
		t.Error(got)
	}
}

// keep puts tokens and a local password into a store.
func keep(t *testing.T, state string, tokens emulator.Tokens) (password string) {
	t.Helper()
	st, err := store.OpenFile(filepath.Join(state, "store"), store.FileKey(filepath.Join(state, "store.key")))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	err = st.Update(t.Context(), "ann@contoso.example", func(r *store.Record) error {
		r.Token = &store.Token{Access: auth.NewSecret(tokens.Access), Refresh: auth.NewSecret(tokens.Refresh), Expiry: tokens.Expiry,
			SignedInAs: "ann@contoso.example", SignedInAt: time.Now().Add(-time.Hour)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := auth.New(auth.Options{Store: st, Declared: []auth.Account{{Email: "ann@contoso.example", ClientID: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	made, _, err := m.AddPassword(t.Context(), "ann@contoso.example", auth.NewPassword{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Reveal()
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func TestPseudonyms(t *testing.T) {
	p := &pseudonyms{home: "/home/ann"}
	p.address("ann@example.com")
	p.address("joe@outlook.com")
	p.name("user", `CORP\ann`)
	p.secret("hunter22")
	for in, want := range map[string]string{
		"ann@example.com: ANN@Example.com":                               "user1@domain1: user1@domain1",
		"/state/store/ann@example.com.record":                            "/state/store/user1@domain1.record",
		"login_hint=ann%40example.com&x":                                 "login_hint=user1@domain1&x",
		"imap.example.com:993, notexample.com":                           "imap.domain1:993, notexample.com",
		"joe@outlook.com at smtp-mail.outlook.com:587":                   "user2@domain2 at smtp-mail.outlook.com:587",
		"a stranger, eve@evil.example.org":                               "a stranger, user4@domain3",
		`mailbox CORP\ann`:                                               "mailbox user3",
		"/home/ann/.config/x, /home/annette/y":                           "~/.config/x, /home/annette/y",
		"password hunter22!":                                             "password REDACTED!",
		"trace 11111111-2222-3333-4444-555555555555":                     "trace id1",
		"Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6x1.e30.c2ln": "Bearer REDACTED",
		"sha256$abc$def":                                                 "REDACTED",
		"(user-is-authenticated-but-not-connected-to-anything)":          "(user-is-authenticated-but-not-connected-to-anything)",
	} {
		if got := p.hide(in); got != want {
			t.Errorf("%s\n gives %s\n want  %s", in, got, want)
		}
	}
}
