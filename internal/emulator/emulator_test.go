package emulator

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// start runs an emulator for a test, quick to approve and with mail of ann, bob (work) and a shared mailbox.
func start(t testing.TB, opt Options) *Emulator {
	t.Helper()
	if opt.Users == nil {
		opt.Users = []User{
			{Address: "ann@example.com", Password: "ann's password", Name: "Ann"},
			{Address: "bob@work.example", Password: "bob's password", Name: "Bob", Work: true},
			{Address: "office@work.example", Work: true},
		}
	}
	e, err := Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return e
}

func httpClient(t testing.TB, e *Emulator) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.CAPool()}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// issue makes an access token.
func issueToken(t testing.TB, e *Emulator, g Grant) Tokens {
	t.Helper()
	tokens, err := e.Identity.Issue(g)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func xoauth2(user, token string) string {
	return base64.StdEncoding.EncodeToString([]byte("user=" + user + "\x01auth=Bearer " + token + "\x01\x01"))
}

func oauthbearer(user, token string) string {
	return base64.StdEncoding.EncodeToString([]byte("n,a=" + user + ",\x01auth=Bearer " + token + "\x01\x01"))
}

// wire is a raw IMAP client.
type wire struct {
	t    testing.TB
	conn net.Conn
	br   *bufio.Reader
}

func dial(t testing.TB, e *Emulator) *wire {
	t.Helper()
	dialer := &net.Dialer{Timeout: 20 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", e.IMAP.Addr(), &tls.Config{RootCAs: e.CAPool()})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return &wire{t, conn, bufio.NewReader(conn)}
}

func (w *wire) send(lines ...string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		w.t.Fatalf("send %q: %v", lines, err)
	}
}

// line reads one line without its end; "(end)" when the server closed.
func (w *wire) line() string {
	w.t.Helper()
	line, err := w.br.ReadString('\n')
	if err != nil && line == "" {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			w.t.Fatal("the server says nothing")
		}
		return "(end)"
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
}

// expect reads one line per pattern; "…" in a pattern stands for anything.
func (w *wire) expect(patterns ...string) {
	w.t.Helper()
	for _, pattern := range patterns {
		if line := w.line(); !like(pattern, line) {
			w.t.Fatalf("got %q; want %q", line, pattern)
		}
	}
}

// until reads up to the tagged answer and returns it with what came before.
func (w *wire) until(tag string) (result string, before []string) {
	w.t.Helper()
	for {
		line := w.line()
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			return rest, before
		}
		if line == "(end)" {
			w.t.Fatalf("the server closed before %s was answered, after %q", tag, before)
		}
		before = append(before, line)
	}
}

func (w *wire) login(user, token string) {
	w.t.Helper()
	w.expect("* OK …")
	w.send("in AUTHENTICATE XOAUTH2 " + xoauth2(user, token))
	w.expect("in OK …")
}

func like(pattern, line string) bool {
	parts := strings.Split(pattern, "…")
	if len(parts) == 1 {
		return pattern == line
	}
	rest, ok := strings.CutPrefix(line, parts[0])
	if !ok || !strings.HasSuffix(rest, parts[len(parts)-1]) {
		return false
	}
	for _, part := range parts[1:] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

// eventually polls: the machine may be slow, and nothing is timed.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("never happened: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestZeroOptions(t *testing.T) {
	t.Parallel()
	e, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	tokens := issueToken(t, e, Grant{})
	if !strings.HasPrefix(tokens.Access, "Ew") || tokens.Refresh == "" {
		t.Errorf("sample tokens: access %.4s…, refresh %d bytes", tokens.Access, len(tokens.Refresh))
	}
	w := dial(t, e)
	w.login(SampleUser, tokens.Access)
	w.send("a SELECT INBOX")
	_, before := w.until("a")
	if !strings.Contains(strings.Join(before, "\n"), "* 5 EXISTS") {
		t.Errorf("sample inbox: %q", before)
	}
	if e.CA().Subject.CommonName == "" || !bytes.Contains(e.CAPEM(), []byte("BEGIN CERTIFICATE")) {
		t.Error("no CA")
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	w.expect("(end)")
}

func TestLocalhostAndLoopbackBothAnswer(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	client := httpClient(t, e)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		resp, err := client.Get(strings.Replace(e.Identity.MetadataURL("common"), "127.0.0.1", host, 1))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", host, resp.Status)
		}
	}
}

// Not parallel: it counts the goroutines of the process.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	e, err := Start(Options{Policy: Policy{AutoApprove: true}})
	if err != nil {
		t.Fatal(err)
	}
	tokens := issueToken(t, e, Grant{Life: time.Hour})
	var wires []*wire
	for i := range 12 {
		w := dial(t, e)
		wires = append(wires, w)
		switch i % 4 {
		case 0: // before the greeting is read
		case 1:
			w.expect("* OK …")
		case 2:
			w.login(SampleUser, tokens.Access)
		case 3:
			w.login(SampleUser, tokens.Access)
			w.send("a SELECT INBOX", "b IDLE")
			w.until("a")
			w.expect("+ …")
		}
	}
	all := issueToken(t, e, Grant{Scopes: allScopes}).Access
	pop := dialPOP3(t, e)
	pop.loginPOP3(SampleUser, all)
	sending := dialSMTP(t, e)
	sending.loginSMTP(e, SampleUser, all)
	sending.expect(smtpAccepted)
	sending.send("MAIL FROM:<>", "RCPT TO:<x@y.example>", "BDAT 9", "half")
	sending.expect("250 …", "250 …")
	e.IMAP.Fail(AtGreeting, 1, MailFault{Kind: Endless})
	wires = append(wires, dial(t, e))
	e.IMAP.Fail(AtGreeting, 1, MailFault{Kind: Slow, Delay: time.Hour})
	wires = append(wires, dial(t, e))
	e.SMTP.Fail(AtGreeting, 1, MailFault{Kind: Silence})
	dead := dialSMTP(t, e)
	e.Identity.Fail(Token, 1, Fault{Hang: true})
	hung := make(chan error, 1)
	client := httpClient(t, e)
	go func() {
		_, err := client.PostForm(e.Identity.TokenURL("common"), nil)
		hung <- err
	}()
	eventually(t, "the token request arrives", func() bool { return e.Identity.Count(Token) == 1 })
	eventually(t, "all sessions are there", func() bool {
		return len(e.IMAP.Sessions()) == len(wires) && len(e.SMTP.Sessions()) == 2 && len(e.POP3.Sessions()) == 1
	})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-hung; err == nil {
		t.Error("the hung request was answered")
	}
	for _, w := range append(wires, pop, sending, dead) {
		w.conn.Close()
	}
	client.CloseIdleConnections()
	eventually(t, "every goroutine ends", func() bool { return runtime.NumGoroutine() <= before })
}
