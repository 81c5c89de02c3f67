package control

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/auth"
	"postern/internal/store"
	"postern/proxy"
)

const (
	ann  = "ann@example.com"
	here = "http://127.0.0.1:1180"
)

// fakeSessions has one session of Ann's until it is ended.
type fakeSessions struct {
	ended   []string
	revoked []string // passwords
	stats   proxy.Stats
	paused  time.Time
}

func (f *fakeSessions) Pause() (int, bool) {
	if !f.paused.IsZero() {
		return 0, false
	}
	f.paused = time.Now()
	return f.EndSessions(ann, nil), true
}

func (f *fakeSessions) Resume() bool {
	was := f.paused
	f.paused = time.Time{}
	return !was.IsZero()
}

func (f *fakeSessions) PausedSince() time.Time { return f.paused }

func (f *fakeSessions) Stats() proxy.Stats { return f.stats }

func (f *fakeSessions) Sessions() []proxy.SessionInfo {
	if len(f.ended) > 0 {
		return nil
	}
	return []proxy.SessionInfo{{ID: 7, Protocol: "imap", Account: ann, Password: "mutt", Doing: "idle in INBOX", Remote: "127.0.0.1:50007",
		Since: time.Now(), Up: 999, Down: 1234567}}
}

func (f *fakeSessions) EndPassword(account, id string, why error) int {
	f.revoked = append(f.revoked, account+" "+id+": "+why.Error())
	return 1
}

func (f *fakeSessions) EndSessions(account string, _ error) int {
	f.ended = append(f.ended, account)
	return 1
}

// world is a page with Ann's account, and the odd one's, behind it.
type world struct {
	*Server
	t        *testing.T
	page     http.Handler
	manager  *auth.Manager
	sessions *fakeSessions
	log      *bytes.Buffer
}

const odd = "a/b?c%20'<d>\"@example.com"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, sessions: &fakeSessions{}, log: &bytes.Buffer{}}
	recent := &Recent{}
	log := slog.New(recent.Handler(slog.NewTextHandler(w.log, nil)))
	declared := func(email string) auth.Account {
		return auth.Account{Email: email, Provider: auth.Provider{Name: "lab"}, ClientID: "id-1", Declared: true}
	}
	var err error
	w.manager, err = auth.New(auth.Options{
		Store: store.NewMemory(), Log: log, Declared: []auth.Account{declared(ann), declared(odd)},
		Providers: map[string]auth.Provider{"lab": {
			Name: "lab", AuthorizeURL: "https://login.example/authorize", TokenURL: "https://login.example/token",
			Scopes: []string{"mail", "offline_access"}, IMAP: "127.0.0.1:9",
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.manager.Close() })
	w.Server = &Server{
		Accounts: w.manager, Sessions: w.sessions, Version: "test", Log: log, Recent: recent, Started: time.Now(),
		Listeners: func() []Listener {
			return []Listener{{Name: "imap", Address: "127.0.0.1:1143"}, {Name: "web", Address: "127.0.0.1:1180"}}
		},
		Clients: &Clients{
			Programs: []Program{{"mutt", "mutt"}},
			Settings: func(_ context.Context, program, account string) (Settings, error) {
				switch program {
				case "mutt":
				case "thunderbird":
					return Settings{Text: "<user>" + account + "</user>", FileName: "example.com.xml", MediaType: "text/xml; charset=utf-8"}, nil
				default:
					return Settings{}, errors.New("no such client")
				}
				return Settings{Text: "set imap_user=" + account, Goes: "~/.muttrc"}, nil
			},
		},
	}
	w.page = w.Page()
	return w
}

// browser is one with the headers that a browser sends, and its cookie.
type browser struct {
	w      *world
	cookie *http.Cookie
	change func(*http.Request) // of every request; nil = none
}

func (b *browser) do(method, path string, form url.Values) *http.Response {
	ctx, cancel := context.WithTimeout(b.w.t.Context(), 10*time.Second) // a live page has no end
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, here+path, strings.NewReader(form.Encode()))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", here)
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	if b.change != nil {
		b.change(r)
	}
	rec := httptest.NewRecorder()
	b.w.page.ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		b.cookie = c
	}
	return res
}

func body(res *http.Response) string {
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// browser returns one that came by a link.
func (w *world) browser() *browser {
	w.t.Helper()
	link, err := w.Link()
	if err != nil {
		w.t.Fatal(err)
	}
	b := &browser{w: w}
	if res := b.do(http.MethodGet, strings.TrimPrefix(link, here), nil); res.StatusCode != http.StatusSeeOther || b.cookie == nil {
		w.t.Fatalf("%s: %s", link, res.Status)
	}
	return b
}

// passwords are Ann's labels, one after the other.
func (w *world) passwords() string {
	w.t.Helper()
	all, err := w.manager.Passwords(w.t.Context(), ann)
	if err != nil {
		w.t.Fatal(err)
	}
	labels := ""
	for _, p := range all {
		labels += p.Label + " "
	}
	return labels
}

func TestOverview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, _, err := w.manager.AddPassword(t.Context(), ann, auth.NewPassword{Label: "<mutt>", ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	page := body(w.browser().do(http.MethodGet, "/", nil))
	for _, want := range []string{
		ann, "Never signed in", "2 accounts are not ready", "IDLE in INBOX", "127.0.0.1:50007", "1.23 MB", "999 B", "&lt;mutt&gt;", "read only",
		"Password added", "imap 127.0.0.1:1143", html.EscapeString("/sign-in/" + url.PathEscape(odd)),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

// TestOddAddress goes where the page's forms lead for an address that is made to break them.
func TestOddAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	action := "/accounts/" + url.PathEscape(odd) + "/passwords"
	if page := body(b.do(http.MethodGet, "/", nil)); !strings.Contains(page, `"`+html.EscapeString(action)+`"`) {
		t.Errorf("no form for %s in %s", action, page)
	}
	b.do(http.MethodPost, action, url.Values{"label": {"x"}})
	all, err := w.manager.Passwords(t.Context(), odd)
	if err != nil || len(all) != 1 {
		t.Error(all, err)
	}
}

// inline is what the content security policy would block.
var inline = regexp.MustCompile(`(?i)<script>|<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:|(src|href)="(https?:)?//`)

func TestNothingInlineAndNothingOutside(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	for _, path := range []string{"/", "/clients?client=mutt&account=" + ann, "/sign-in/" + ann, "/sign-in/nobody", "/nothing", "/page.css", "/page.js", "/icon.svg"} {
		res := b.do(http.MethodGet, path, nil)
		if found := inline.FindString(strings.ReplaceAll(body(res), ` xmlns="http://`, "")); found != "" {
			t.Errorf("%s has %q", path, found)
		}
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for header, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", path, header, got)
			}
		}
	}
}

func TestPasswordIsShownOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	other := w.browser()
	res := b.do(http.MethodPost, "/accounts/"+ann+"/passwords", url.Values{"label": {"Thunderbird"}, "may": {"read"}, "days": {"30"}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/password" {
		t.Fatal(res.Status, res.Header.Get("Location"))
	}
	if got := other.do(http.MethodGet, "/password", nil).StatusCode; got != http.StatusSeeOther {
		t.Error("another browser is shown something:", got)
	}
	page := body(b.do(http.MethodGet, "/password", nil))
	found := regexp.MustCompile(`id="secret">([^<]+)<`).FindStringSubmatch(page)
	if found == nil {
		t.Fatal("no password in", page)
	}
	login, err := w.manager.CheckPassword(t.Context(), ann, auth.NewSecret(found[1]))
	if err != nil || login.Label != "Thunderbird" || !login.ReadOnly {
		t.Errorf("%+v %v", login, err)
	}
	all, _ := w.manager.Passwords(t.Context(), ann)
	if days := time.Until(all[0].Expires).Hours() / 24; days < 28 || days > 31 {
		t.Error("good for", days, "days")
	}
	if res := b.do(http.MethodGet, "/password", nil); res.StatusCode != http.StatusSeeOther {
		t.Error("shown twice:", res.Status)
	}
	if strings.Contains(w.log.String(), found[1]) || strings.Contains(body(b.do(http.MethodGet, "/", nil)), found[1]) {
		t.Error("the password is in the log or on the overview")
	}
	b.do(http.MethodPost, "/accounts/"+ann+"/passwords/"+all[0].ID+"/revoke", nil)
	if want := ann + " " + all[0].ID + ": the local password was revoked"; !slices.Equal(w.sessions.revoked, []string{want}) {
		t.Errorf("ended %q, want %q", w.sessions.revoked, want)
	}
	if left := w.passwords(); left != "" {
		t.Error("after the revocation:", left)
	}
}

func TestPasswordThatCanNotBe(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	for _, path := range []string{"/accounts/nobody@example.com/passwords", "/accounts/nobody@example.com/sign-out", "/accounts/" + ann + "/passwords/none/revoke"} {
		res := b.do(http.MethodPost, path, nil)
		if page := body(res); res.StatusCode < 400 || !strings.Contains(page, `role="alert"`) {
			t.Error(path, res.Status, page)
		}
	}
}

func TestSignOutEndsSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if res := w.browser().do(http.MethodPost, "/accounts/"+ann+"/sign-out", nil); res.StatusCode != http.StatusSeeOther {
		t.Error(res.Status)
	}
	if len(w.sessions.ended) != 1 || w.sessions.ended[0] != ann {
		t.Error("ended:", w.sessions.ended)
	}
}

// A tab that is closed while the provider is told must not keep a token alive there.
func TestSignOutOfAClosedTab(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	b.change = func(r *http.Request) {
		gone, cancel := context.WithCancel(r.Context())
		cancel()
		*r = *r.WithContext(gone)
	}
	if res := b.do(http.MethodPost, "/accounts/"+ann+"/sign-out", nil); res.StatusCode != http.StatusSeeOther {
		t.Error(res.Status)
	}
	if len(w.sessions.ended) != 1 {
		t.Error("ended:", w.sessions.ended)
	}
}

func TestClientSettings(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	if page := body(b.do(http.MethodGet, "/clients?client=mutt&account="+ann, nil)); !strings.Contains(page, "set imap_user="+ann) || !strings.Contains(page, "1143") {
		t.Error(page)
	}
	if page := body(b.do(http.MethodGet, "/clients?client=pine&account="+ann, nil)); !strings.Contains(page, "No such client") {
		t.Error(page)
	}
	if page := body(b.do(http.MethodGet, "/clients", nil)); strings.Contains(page, "To copy") {
		t.Error(page)
	}
}

func TestClientFile(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	link := "/clients/thunderbird/" + url.PathEscape(odd)
	if page := body(b.do(http.MethodGet, "/clients?"+url.Values{"client": {"thunderbird"}, "account": {odd}}.Encode(), nil)); !strings.Contains(page, html.EscapeString(link)) {
		t.Errorf("no link to %s in %s", link, page)
	}
	res := b.do(http.MethodGet, link, nil)
	if got := body(res); res.StatusCode != http.StatusOK || got != "<user>"+odd+"</user>" {
		t.Error(res.Status, got)
	}
	for header, want := range map[string]string{
		"Content-Type": "text/xml; charset=utf-8", "Content-Disposition": "attachment; filename=example.com.xml",
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := res.Header.Get(header); got != want {
			t.Errorf("%s is %q, not %q", header, got, want)
		}
	}
	for _, path := range []string{"/clients/mutt/" + ann, "/clients/pine/" + ann} {
		if res := b.do(http.MethodGet, path, nil); res.StatusCode != http.StatusNotFound || !strings.Contains(body(res), `role="alert"`) {
			t.Error(path, res.Status)
		}
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	s := &Server{Listeners: func() []Listener {
		return []Listener{
			{Name: "imap", Address: "[::1]:1143"}, {Name: "imaps", Address: "0.0.0.0:1993", TLS: true}, {Name: "smtp", Address: "192.168.1.2:1587"},
			{Name: "pop3", Address: "127.0.0.1:1110", TLS: true}, {Name: "web", Address: "127.0.0.1:1180"},
		}
	}}
	want := []server{
		{"IMAP", "::1", "1143", "none (it does not leave this machine)"}, {"IMAP", "127.0.0.1", "1993", "TLS"},
		{"SMTP", "192.168.1.2", "1587", "none"}, {"POP3", "127.0.0.1", "1110", "STARTTLS"},
	}
	if got := s.servers(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// troubled is Ann's account after its sign-in has ended.
type troubled struct{ Accounts }

func (troubled) Status(context.Context) ([]auth.AccountStatus, error) {
	return []auth.AccountStatus{{
		Account: ann, Provider: "lab", State: auth.StateSignInNeeded, TokenExpiry: time.Now(),
		Problem: &auth.Problem{Class: auth.SignIn, Code: "AADSTS700082", Say: "the sign-in has expired", Cure: "postern login " + ann, RetryAt: time.Now()},
	}}, nil
}

// halfGood is Ann's account, signed in before SMTP was switched on.
type halfGood struct{ Accounts }

func (halfGood) Status(context.Context) ([]auth.AccountStatus, error) {
	return []auth.AccountStatus{{Account: ann, Provider: "lab", Mailbox: ann, State: auth.StateReady, NotCovered: []string{"smtp"}}}, nil
}

func TestReadyAndYetNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Accounts = halfGood{w.manager}
	b := w.browser()
	if page := body(b.do(http.MethodGet, "/", nil)); !strings.Contains(page, "Not good for SMTP before a new sign-in") || strings.Contains(page, "asks for a pause") {
		t.Error(page)
	}
	until := time.Now().Add(time.Hour)
	w.sessions.stats.Throttled = []proxy.Throttle{
		{Protocol: "imap", Provider: "lab", Mailbox: strings.ToUpper(ann), Until: until, Said: "Request is throttled."},
		{Protocol: "imap", Provider: "another", Mailbox: ann, Until: until, Said: "Somebody else's."},
	}
	page := body(b.do(http.MethodGet, "/", nil))
	for _, want := range []string{"asks for a pause until", "log in by IMAP", "Request is throttled.", "One account is not ready"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "Somebody else") {
		t.Error("another provider's mailbox is taken for this one")
	}
}

// What a mail server says is no trouble of the tokens, and has to be found beside them.
func TestMailboxThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Accounts = halfGood{w.manager}
	b := w.browser()
	off := &auth.Problem{Class: auth.Admin, Code: "imap-off", Say: "IMAP is switched off", Cure: "ask the administrator"}
	w.sessions.stats.Troubles = []proxy.Trouble{
		{Account: ann, Protocol: "imap", At: time.Now(), Problem: off},
		{Account: "bob@example.com", Protocol: "pop3", At: time.Now(), Problem: off},
	}
	page := body(b.do(http.MethodGet, "/", nil))
	for _, want := range []string{"By IMAP the mailbox did not open", "IMAP is switched off", "ask the administrator", "imap-off", "One account is not ready"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "By POP3") {
		t.Error("another account's trouble is shown")
	}
}

func TestUnopenedThatIsOver(t *testing.T) {
	t.Parallel()
	at := time.Now()
	trouble := proxy.Trouble{Account: ann, Protocol: "imap", At: at, Problem: &auth.Problem{Class: auth.SignIn, Code: "AADSTS50173"}}
	for name, st := range map[string]auth.AccountStatus{
		"signed in since": {Account: ann, State: auth.StateReady, SignedInAt: at.Add(time.Second)},
		"signed out":      {Account: ann, State: auth.StateNeverSignedIn},
		"said already":    {Account: ann, State: auth.StateSignInNeeded, Problem: trouble.Problem},
	} {
		if of := unopenedOf(st, []proxy.Trouble{trouble}); len(of) > 0 {
			t.Errorf("%s: %v", name, of)
		}
	}
	if of := unopenedOf(auth.AccountStatus{Account: ann, State: auth.StateReady, SignedInAt: at.Add(-time.Second)}, []proxy.Trouble{trouble}); len(of) != 1 {
		t.Errorf("%v, want the trouble", of)
	}
}

func TestProblemComesWithItsCure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Accounts = troubled{w.manager}
	page := body(w.browser().do(http.MethodGet, "/", nil))
	for _, want := range []string{"Sign-in needed", "The sign-in has expired", "postern login " + ann, "AADSTS700082", "One account is not ready"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
