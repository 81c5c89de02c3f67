package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"postern/internal/emulator"
)

const (
	pageAnn = "ann@example.com"
	pageBob = "bob@example.com"
	pageApp = "reports@example.com" // signs in as the app alone

	pageAppID, pageAppSecret = "00000000-0000-4000-8000-0000000000aa", "the app's secret"
)

// pageWorld is a daemon with its page, in front of a stand-in that fails on demand, and a browser that looks at it.
type pageWorld struct {
	*program
	outlook *emulator.Emulator
	browser *chromium
	daemon  *process
	origin  string // of the page
	imap    string // where mail clients connect
}

// newPageWorld has the accounts that are named. extra goes into the configuration, below [listen].
func newPageWorld(t *testing.T, extra string, accounts ...string) *pageWorld {
	t.Helper()
	needPostern(t)
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &pageWorld{program: &program{t: t, dir: dir}, browser: startChromium(t)}
	w.outlook, err = emulator.Start(emulator.Options{
		Users: []emulator.User{
			{Address: pageAnn, Password: "web-password", Name: "Ann", Mail: emulator.SampleMail()},
			{Address: pageBob, Password: "web-password", Name: "Bob", Mail: emulator.SampleMail()},
		},
		Clients: []emulator.Client{{ID: emulator.SampleClientID, Name: "Postern"}, {ID: pageAppID, Secrets: []string{pageAppSecret}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.outlook.Close() })
	w.write("ca.pem", string(w.outlook.CAPEM()))
	w.configure(extra, accounts...)
	w.browser.do(security.SetIgnoreCertificateErrors(true)) // the stand-in's authority is known to Postern only
	return w
}

func (w *pageWorld) configure(extra string, accounts ...string) {
	w.t.Helper()
	id := w.outlook.Identity
	toml := fmt.Sprintf(`[listen]
imap = "127.0.0.1:0"
web = "127.0.0.1:0"
%s
[provider.lab]
authorize_url = %q
token_url = %q
tenant = "common"
scopes = [%q, %q, "offline_access"]
imap = %q
smtp = %q
ca_file = "ca.pem"
`, extra, id.AuthorizeURL("{tenant}"), id.TokenURL("{tenant}"), emulator.ScopeIMAP, emulator.ScopeSMTP, w.outlook.IMAP.Addr(), w.outlook.SMTP.Addr())
	for _, email := range accounts {
		toml += fmt.Sprintf("[account.%q]\nprovider = \"lab\"\n", email)
		if email == pageApp {
			toml += fmt.Sprintf("flow = \"client-credentials\"\ntenant = \"contoso.onmicrosoft.com\"\nclient_id = %q\nclient_secret_file = \"secret\"\n", pageAppID)
		} else {
			toml += fmt.Sprintf("client_id = %q\n", emulator.SampleClientID)
		}
	}
	w.write("config.toml", toml)
}

// serve starts the daemon and opens the page, as its user does.
func (w *pageWorld) serve() {
	w.t.Helper()
	w.daemon = w.start("serve")
	w.browser.open(w.link())
	var st struct {
		Listeners []struct{ Name, Address string }
	}
	if err := json.Unmarshal([]byte(w.ok("status", "--json")), &st); err != nil {
		w.t.Fatal(err)
	}
	for _, l := range st.Listeners {
		switch l.Name {
		case "imap":
			w.imap = l.Address
		case "web":
			w.origin = "http://" + l.Address
		}
	}
}

// link waits until the daemon gives one.
func (w *pageWorld) link() (link string) {
	w.t.Helper()
	eventually(w.t, patience, "the daemon gives a link", func() bool {
		stdout, _, code := w.run("open", "--no-browser")
		link = strings.TrimSpace(stdout)
		return code == 0
	})
	return link
}

// signIn is a sign-in beside the page.
func (w *pageWorld) signIn(email string) {
	w.t.Helper()
	login := w.start("login", email, "--no-browser")
	last, err := w.outlook.Identity.Visit(w.t.Context(), login.await(w.t, authorizeLink), emulator.Person{Address: email})
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.Get(last.String())
	if err != nil {
		w.t.Fatal(err)
	}
	res.Body.Close()
	if err := login.end(w.t); err != nil {
		w.t.Fatalf("login: %v\n%s", err, login.out)
	}
}

// client logs in as a mail client and says how that ended.
func (w *pageWorld) client(email, secret string) (*imap, string) {
	w.t.Helper()
	c := dial(w.t, w.imap)
	return c, c.login(email, secret)
}

// state is one that a person can find the page in. It shows the texts, also without script unless it is shown
// only once, and is looked at in every way there is.
func (w *pageWorld) state(name string, texts ...string) {
	w.t.Helper()
	w.look(name, texts...)
	if w.t.Failed() {
		w.t.FailNow()
	}
	c := w.browser
	c.do(emulation.SetScriptExecutionDisabled(true), chromedp.Reload())
	for _, text := range texts {
		c.see(text)
	}
	c.do(emulation.SetScriptExecutionDisabled(false), chromedp.Reload())
}

// look is for what can not be loaded again.
func (w *pageWorld) look(name string, texts ...string) {
	w.t.Helper()
	c := w.browser
	for _, text := range texts {
		c.see(text)
	}
	c.checkLooks(name)
	c.checkNames()
	c.checkRules(name)
	if unseen, _ := c.unseenFocus(); len(unseen) > 0 {
		w.t.Errorf("%s: focus not seen at %q", name, unseen)
	}
	w.listed(name)
}

// listed wants the state's row in the table of docs/page.md.
func (w *pageWorld) listed(name string) {
	w.t.Helper()
	doc, err := os.ReadFile("../../docs/page.md")
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(string(doc), "| `"+name+"` |") {
		w.t.Errorf("docs/page.md has no row for the state %s", name)
	}
}

// plain is an answer that is no page: a line of text for somebody who should not be here.
func (w *pageWorld) plain(name, text string) {
	w.t.Helper()
	w.browser.see(text)
	for _, l := range looks {
		w.browser.as(l)
		w.browser.picture(name, l)
	}
	w.browser.as(looks[0])
	w.listed(name)
}

// checkRules has axe-core judge the page: the rules of WCAG 2.2 level AA, and of good practice, in both themes.
func (c *chromium) checkRules(name string) {
	c.t.Helper()
	axe, err := os.ReadFile(filepath.Join(lab.run, "oidc", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, l := range []look{looks[0], looks[3]} {
		c.as(l)
		c.evaluate("window.axe || ("+"() => {"+string(axe)+"})(); 0", nil)
		var broken []string
		c.do(chromedp.Evaluate(`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
			r.passes.length < 3 ? ["only " + r.passes.length + " rules applied"] :
			r.violations.map((v) => v.id + ": " + v.help + " at " + v.nodes.map((n) => n.target.join(" ")).join(", ")))`, &broken, chromedp.EvalAsValue, awaitPromise))
		for _, b := range broken {
			c.t.Errorf("%s, %v: %s", name, l, b)
		}
	}
	c.as(looks[0])
}
