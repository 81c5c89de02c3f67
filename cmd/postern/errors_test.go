package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/auth"
	"postern/internal/emulator"
	"postern/internal/store"
	"postern/proxy"
)

// troubled has one account, for which there is no token.
type troubled struct {
	mu      sync.Mutex
	problem error
}

func (a *troubled) CheckPassword(_ context.Context, user string, password auth.Secret) (auth.Login, error) {
	if password.Reveal() != "right" {
		return auth.Login{}, auth.ErrWrongPassword
	}
	return auth.Login{Account: auth.Account{Email: user, Mailbox: user, Provider: auth.Provider{IMAP: "x:1", SMTP: "x:1", POP3: "x:1"}}}, nil
}

func (a *troubled) Token(context.Context, string) (auth.Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return auth.Token{}, a.problem
}

func (a *troubled) Renew(ctx context.Context, email string, _ auth.Secret) (auth.Token, error) {
	return a.Token(ctx, email)
}

// mailWords is what mail clients hear about a failure, in full lines without the tag.
type mailWords struct{ imap, smtp, pop3 string }

// mailFront is the real front of all three protocols before troubled accounts.
type mailFront struct {
	t                *testing.T
	accounts         *troubled
	imap, smtp, pop3 string // addresses
}

func newMailFront(t *testing.T) *mailFront {
	f := &mailFront{t: t, accounts: &troubled{}}
	server := &proxy.Server{Accounts: f.accounts, NoSpares: true}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	for p, at := range map[proxy.Protocol]*string{proxy.IMAP(): &f.imap, proxy.SMTP(): &f.smtp, proxy.POP3(): &f.pop3} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*at = ln.Addr().String()
		serving.Go(func() { server.Serve(ctx, ln, p) })
	}
	t.Cleanup(func() { stop(); serving.Wait() })
	return f
}

// hear logs in over each protocol while problem is the answer to everything.
func (f *mailFront) hear(problem error, password string) mailWords {
	f.t.Helper()
	f.accounts.mu.Lock()
	f.accounts.problem = problem
	f.accounts.mu.Unlock()
	plain := "AG0AcmlnaHQ=" // \0m\0right
	if password != "right" {
		plain = "AG0Ad3Jvbmc="
	}
	return mailWords{
		imap: strings.TrimPrefix(f.talk(f.imap, "a LOGIN m "+password, "a "), "a "),
		smtp: f.talk(f.smtp, "EHLO x\r\nAUTH PLAIN "+plain, "4", "5"),
		pop3: f.talk(f.pop3, "USER m\r\nPASS "+password, "-ERR"),
	}
}

// talk sends lines and returns the first answer that begins with one of these.
func (f *mailFront) talk(address, lines string, begins ...string) string {
	f.t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "%s\r\n", lines)
	for s := bufio.NewScanner(conn); s.Scan(); {
		if slices.ContainsFunc(begins, func(b string) bool { return strings.HasPrefix(s.Text(), b) }) {
			return s.Text()
		}
	}
	f.t.Fatalf("%s: no answer to %q", address, lines)
	return ""
}

// code is the part of an answer that programs understand.
func (w mailWords) code() mailWords {
	return mailWords{firstWords(w.imap, 2), firstWords(w.smtp, 2), firstWords(w.pop3, 2)}
}

func firstWords(line string, n int) string { return strings.Join(strings.Fields(line)[:n], " ") }

// heardOf is what each class makes of an answer: the contract with mail clients and scripts.
var heardOf = map[auth.Class]struct {
	mailWords
	exit int
}{
	auth.Retry:         {mailWords{"NO [UNAVAILABLE]", "454 4.7.0", "-ERR [SYS/TEMP]"}, exitFailed},
	auth.Refresh:       {mailWords{"NO [UNAVAILABLE]", "454 4.7.0", "-ERR [SYS/TEMP]"}, exitFailed},
	auth.SignIn:        {mailWords{"NO [ALERT]", "454 4.7.0", "-ERR [SYS/PERM]"}, exitSignIn},
	auth.Admin:         {mailWords{"NO [CONTACTADMIN]", "535 5.7.139", "-ERR [SYS/PERM]"}, exitFailed},
	auth.Configuration: {mailWords{"NO [ALERT]", "535 5.7.0", "-ERR [SYS/PERM]"}, exitConfig},
}

// Every row of the catalogue, from the provider's answer where one is its cause: class, sentence, what the
// mail client hears, and the exit code.
func TestEveryFailure(t *testing.T) {
	provider := newRefusingProvider(t)
	front := newMailFront(t)
	for _, e := range auth.Catalogue() {
		for _, code := range e.Codes {
			p := provider.problem(t, e, code)
			switch {
			case p.Code != code && e.Codes[0] != "unknown-error":
				t.Errorf("%s: the code is %q", code, p.Code)
			case !e.ByValue && p.Class != e.Problem.Class:
				t.Errorf("%s: class %v, want %v", code, p.Class, e.Problem.Class)
			case !sameSentence(p.Say, e.Problem.Say):
				t.Errorf("%s says %q, want %q", code, p.Say, e.Problem.Say)
			case p.Cure == "":
				t.Errorf("%s: no cure", code)
			}
			want := heardOf[p.Class]
			heard := front.hear(p, "right")
			if heard.code() != want.mailWords {
				t.Errorf("%s (%v): mail clients hear %+v, want %+v", code, p.Class, heard.code(), want.mailWords)
			}
			for _, line := range []string{heard.imap, heard.smtp, heard.pop3} {
				if !strings.Contains(line, "m: "+ascii(p.Say)) {
					t.Errorf("%s: the mail client is not told %q, but %q", code, p.Say, line)
				}
			}
			if got := exitCode(t.Context(), fmt.Errorf("token: %w", p)); got != want.exit {
				t.Errorf("%s: exit code %d, want %d", code, got, want.exit)
			}
		}
	}
}

// sameSentence compares a sentence with one that has … where cases differ.
func sameSentence(got, want string) bool {
	before, after, cut := strings.Cut(want, "…")
	if !cut {
		before, after = want, ""
	}
	return normal(got) == normal(want) || cut && strings.HasPrefix(normal(got), normal(before)) && strings.HasSuffix(normal(got), normal(after))
}

// normal takes out the names of this test's account.
func normal(s string) string {
	return strings.NewReplacer("common", "TENANT", refused, "EMAIL").Replace(s)
}

// ascii is how a front writes a sentence.
func ascii(s string) string { return strings.ReplaceAll(s, "…", "?") }

// refusingProvider is Microsoft's stand-in, and an account whose token has expired.
type refusingProvider struct {
	outlook *emulator.Emulator
	manager *auth.Manager
	store   store.Store
}

const refused = "ann@example.com"

func newRefusingProvider(t *testing.T) *refusingProvider {
	e, err := emulator.Start(emulator.Options{Users: []emulator.User{{Address: refused, Password: "web"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	p := &refusingProvider{outlook: e, store: store.NewMemory()}
	roots := x509.NewCertPool()
	roots.AddCert(e.CA())
	p.manager, err = auth.New(auth.Options{
		Store: p.store,
		Providers: map[string]auth.Provider{"lab": {
			AuthorizeURL: e.Identity.AuthorizeURL("{tenant}"), TokenURL: e.Identity.TokenURL("{tenant}"), Tenant: "common",
			Scopes: []string{emulator.ScopeIMAP, "offline_access"}, IMAP: e.IMAP.Addr(), RootCAs: roots,
		}},
		Declared: []auth.Account{{Email: refused, Provider: auth.Provider{Name: "lab"}, ClientID: emulator.SampleClientID}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.manager.Close() })
	return p
}

// problem is what a refresh says when the provider refuses with code; for rows that no answer of a provider
// leads to it is the row's own.
func (r *refusingProvider) problem(t *testing.T, e auth.Entry, code string) *auth.Problem {
	t.Helper()
	var fault emulator.Fault
	switch e.Section {
	case auth.SectionAADSTS:
		n, err := strconv.Atoi(strings.TrimPrefix(code, "AADSTS"))
		if err != nil {
			t.Fatal(err)
		}
		fault = emulator.AADSTS(n)
	case auth.SectionOAuth:
		fault.Error = strings.ReplaceAll(code, "-", "_")
	case auth.SectionMail:
		p, ok := auth.Explain(e.Texts[0])
		if !ok {
			t.Fatalf("%q is not explained", e.Texts[0])
		}
		return p
	default:
		return new(e.Problem)
	}
	tokens, err := r.outlook.Identity.Issue(emulator.Grant{})
	if err != nil {
		t.Fatal(err)
	}
	err = r.store.Update(t.Context(), refused, func(rec *store.Record) error {
		rec.Problem = nil
		rec.Token = &store.Token{Access: auth.NewSecret(tokens.Access), Refresh: auth.NewSecret(tokens.Refresh), Scopes: []string{emulator.ScopeIMAP}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.outlook.Identity.Fail(emulator.TokenRefresh, 1, fault)
	_, err = r.manager.Token(t.Context(), refused)
	p, ok := err.(*auth.Problem)
	if !ok {
		t.Fatalf("%s: %v", code, err)
	}
	return p
}

// docs/errors.md is written from the catalogue and from what the fronts really say. UPDATE_DOCS=1 writes it anew.
func TestErrorsPage(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "errors.md")
	page := errorsPage(newMailFront(t))
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(old) != page {
		t.Errorf("docs/errors.md is not what the catalogue says: UPDATE_DOCS=1 go test ./cmd/postern -run TestErrorsPage")
	}
}
