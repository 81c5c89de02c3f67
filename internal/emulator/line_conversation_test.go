package emulator

import (
	"bufio"
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

var allScopes = []string{ScopeIMAP, ScopePOP, ScopeSMTP, "offline_access"}

// dialSMTP connects in the clear, dialPOP3 with TLS.
func dialSMTP(t testing.TB, e *Emulator) *wire {
	t.Helper()
	return newWire(t, e.SMTP.Addr(), nil)
}

func dialPOP3(t testing.TB, e *Emulator) *wire {
	t.Helper()
	return newWire(t, e.POP3.Addr(), &tls.Config{RootCAs: e.CAPool()})
}

func newWire(t testing.TB, addr string, conf *tls.Config) *wire {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	t.Cleanup(func() { conn.Close() })
	w := &wire{t, conn, bufio.NewReader(conn)}
	if conf != nil {
		w.startTLS(conf)
	}
	return w
}

func (w *wire) startTLS(conf *tls.Config) {
	w.t.Helper()
	conf.ServerName = "localhost"
	conn := tls.Client(w.conn, conf)
	if err := conn.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	w.conn, w.br = conn, bufio.NewReader(conn)
}

// reply reads an SMTP reply to its last line, which it returns.
func (w *wire) reply() string {
	w.t.Helper()
	for {
		if line := w.line(); len(line) < 4 || line[3] != '-' {
			return line
		}
	}
}

// loginSMTP goes through STARTTLS and AUTH.
func (w *wire) loginSMTP(e *Emulator, user, token string) {
	w.t.Helper()
	w.reply()
	w.send("EHLO client")
	w.reply()
	w.send("STARTTLS")
	w.expect("220 2.0.0 …")
	w.startTLS(&tls.Config{RootCAs: e.CAPool()})
	w.send("EHLO client")
	w.reply()
	w.send("AUTH XOAUTH2")
	w.expect("334 ")
	w.send(xoauth2(user, token))
}

func (w *wire) loginPOP3(user, token string) {
	w.t.Helper()
	w.expect("+OK …")
	w.send("AUTH XOAUTH2")
	w.expect("+ ")
	w.send(xoauth2(user, token))
	w.expect(popAccepted)
}

// TestLineConversations plays testdata/smtp and testdata/pop3 as TestConversations plays testdata/imap. "T:" is the
// client's side of STARTTLS. {imap} is a response with a token for IMAP alone.
func TestLineConversations(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"smtp", "pop3"} {
		files, err := filepath.Glob("testdata/" + proto + "/*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatal("no conversations", proto, err)
		}
		for _, file := range files {
			t.Run(proto+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				converseInLines(t, proto, archive)
			})
		}
	}
}

func converseInLines(t *testing.T, proto string, archive *txtar.Archive) {
	e := start(t, Options{})
	server, connect := e.SMTP.lineServer, dialSMTP
	if proto == "pop3" {
		server, connect = e.POP3.lineServer, dialPOP3
	}
	e.IMAP.Grant("bob@work.example", "office@work.example")
	words := lineReplies(t, e)
	for _, section := range archive.Files {
		data := string(section.Data)
		switch section.Name {
		case "options":
			if proto == "smtp" {
				e.SMTP.Configure(func(o *SMTPOptions) { decodeStrict(t, data, o) })
			} else {
				e.POP3.Configure(func(o *POP3Options) { decodeStrict(t, data, o) })
			}
			continue
		case "disabled":
			server.Disable(strings.TrimSpace(data), true)
			continue
		case "faults":
			for line := range strings.Lines(data) {
				var f scriptFault
				decodeStrict(t, line, &f)
				server.Fail(f.At, f.N, f.MailFault)
			}
			continue
		}
		connect(t, e).converse(e, data, words)
	}
}

func lineReplies(t *testing.T, e *Emulator) *strings.Replacer {
	ann := issueToken(t, e, Grant{User: "ann@example.com", Scopes: allScopes}).Access
	bob := issueToken(t, e, Grant{User: "bob@work.example", Scopes: allScopes}).Access
	only := issueToken(t, e, Grant{User: "ann@example.com"}).Access
	expired := issueToken(t, e, Grant{User: "ann@example.com", Scopes: allScopes, Life: -time.Second}).Access
	return strings.NewReplacer(
		"{ann}", xoauth2("ann@example.com", ann),
		"{bob}", xoauth2("bob@work.example", bob),
		"{bob as office}", xoauth2("office@work.example", bob),
		"{bob as ann}", xoauth2("ann@example.com", bob),
		"{ann as nobody}", xoauth2("nobody@example.com", ann),
		"{imap}", xoauth2("ann@example.com", only),
		"{expired}", xoauth2("ann@example.com", expired),
		"{bad}", xoauth2("ann@example.com", "EwMadeUp"),
	)
}
