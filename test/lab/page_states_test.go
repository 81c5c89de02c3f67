package lab

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"postern/internal/emulator"
)

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

const (
	askName    = `input[name="login"]`
	askSecret  = `input[name="passwd"]`
	askSignIn  = `button[name="signin"]`
	askAccept  = `button[name="accept"]`
	askCancel  = `button[name="cancel"]`
	goToSignIn = `main form button`
)

// goTo opens the provider's page from the page on which a person signs in.
func (w *pageWorld) goToProvider(email string) {
	w.t.Helper()
	w.browser.open(w.origin + "/sign-in/" + email)
	w.browser.submit(goToSignIn)
	w.browser.see("stand-in for a sign-in page")
}

func (w *pageWorld) fillIn(email string) {
	w.t.Helper()
	w.browser.do(chromedp.SetValue(askName, email, chromedp.ByQuery), chromedp.SetValue(askSecret, "web-password", chromedp.ByQuery))
	w.browser.submit(askSignIn)
	w.browser.submit(askAccept)
}

func TestPageStatesOfASignIn(t *testing.T) {
	t.Parallel()
	w := newPageWorld(t, "", pageAnn)
	c := w.browser
	w.serve()
	w.state("never-signed-in", "One account is not ready", "Never signed in", "None yet. Make one for each mail program", "No mail client is connected")

	c.open(w.origin + "/sign-in/" + pageAnn)
	w.state("sign-in", pageAnn, "Postern never sees the password")
	c.open(w.origin + "/sign-in/nobody@example.com")
	c.submit(goToSignIn)
	w.look("sign-in-unknown", "Postern has no such account", "Try again")

	w.goToProvider(pageAnn)
	c.submit(askCancel)
	w.look("callback-declined", "Not signed in", "declined")
	c.open(w.origin)
	w.state("after-a-refusal", "Never signed in")

	w.goToProvider(pageAnn)
	w.fillIn(pageBob)
	w.look("callback-somebody-else", "Not signed in", pageBob)

	w.outlook.Identity.Fail(emulator.TokenCode, 1, emulator.AADSTS(50194))
	w.goToProvider(pageAnn)
	w.fillIn(pageAnn)
	w.look("callback-provider-refuses", "Not signed in")

	w.goToProvider(pageAnn)
	var at string
	c.do(chromedp.Location(&at))
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	callback := u.Query().Get("redirect_uri")
	c.open(w.origin)
	w.state("while-a-sign-in-is-open", "Never signed in")
	c.open(callback + "?code=forged&state=forged")
	w.look("callback-not-the-answer", "This is not the answer to a sign-in", "still open")
	c.open(at)
	w.fillIn(pageAnn)
	w.look("callback-signed-in", "Signed in", "You can close this page")

	c.open(w.origin)
	w.state("ready", "All is well", "Ready", "signed in as "+pageAnn)
}

func TestPageStatesOfAnAccount(t *testing.T) {
	t.Parallel()
	w := newPageWorld(t, "", pageAnn)
	c := w.browser
	w.signIn(pageAnn)
	secret := w.addPassword(pageAnn, "--label", "mutt")
	w.addPassword(pageAnn, "--label", "backup script", "--read-only", "--expires", "90d")
	w.addPassword(pageAnn, "--label", "the scanner on the second floor, which has a rather long name", "--send-only")
	w.addPassword(pageAnn, "--label", "visitor", "--expires", "1s")
	w.serve()
	c.see("visitor")
	c.open(w.origin)
	w.state("passwords", "read only", "good until", "send only", "expired")

	idle, _ := w.client(pageAnn, secret)
	idle.ok("SELECT INBOX")
	idle.write("i IDLE\r\n")
	idle.response()
	other, _ := w.client(pageAnn, secret)
	other.ok("SELECT INBOX")
	other.ok("FETCH 1:* BODY.PEEK[]")
	w.client(pageAnn, "wrong")
	w.state("sessions", "2 open sessions", "IDLE in INBOX", "mutt")
	w.state("events", "Login accepted", "Login refused", "▲")

	c.press(newPassword)
	w.look("new-password-form", "For which program", "Make the password")
	c.do(chromedp.SendKeys(labelField, "Thunderbird", chromedp.ByQuery))
	c.submit(makePassword)
	w.look("new-password", "It is shown this once", "Where it connects")
	c.do(chromedp.NavigateBack())
	c.open(w.origin + "/password")
	c.see("Accounts")
	c.press(`.actions details.sure > summary`)
	w.look("sign-out-asked", "Postern forgets the tokens")

	w.outlook.IMAP.CloseAll()
	eventually(t, patience, "both sessions have ended", func() bool {
		c.open(w.origin)
		return strings.Contains(c.text(), "No mail client is connected")
	})
	w.outlook.IMAP.Fail(emulator.AtLogin, -1, emulator.MailFault{Kind: emulator.Refuse, Text: "NO User is authenticated but not connected."})
	_, said := w.client(pageAnn, secret)
	c.open(w.origin)
	w.state("did-not-open", "By IMAP the mailbox did not open at", "What to do:", "One account is not ready")
	if !strings.HasPrefix(said, "NO") {
		t.Error("a client whose mailbox does not open hears", said)
	}
	w.outlook.IMAP.ClearFaults()

	w.outlook.IMAP.Fail(emulator.AtLogin, -1, emulator.MailFault{Kind: emulator.Throttle, NO: true, Bye: true, Backoff: 10 * time.Minute})
	_, said = w.client(pageAnn, secret)
	c.open(w.origin)
	w.state("throttled", "The server asks for a pause until", "One account is not ready")
	if !strings.HasPrefix(said, "NO") {
		t.Error("a throttled client hears", said)
	}
	w.outlook.IMAP.ClearFaults()

	if err := w.daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.look("daemon-gone", "no longer up to date")
}

func TestPageStatesOfTrouble(t *testing.T) {
	t.Parallel()
	w := newPageWorld(t, "", pageAnn, pageBob)
	c := w.browser
	w.outlook.Identity.Configure(func(p *emulator.Policy) { p.AccessLife = 2 * time.Second })
	w.signIn(pageAnn)
	w.signIn(pageBob)
	ann, bob := w.addPassword(pageAnn), w.addPassword(pageBob)
	w.serve()

	w.outlook.Identity.Fail(emulator.TokenRefresh, -1, emulator.Fault{Status: 503, RetryAfter: "600"})
	eventually(t, patience, "ann is refused for a while", func() bool {
		_, said := w.client(pageAnn, ann)
		return strings.HasPrefix(said, "NO")
	})
	c.open(w.origin)
	w.state("trouble", "Trouble", "tried again at")

	w.outlook.Identity.ClearFaults()
	w.outlook.Identity.RevokeUser(pageBob)
	w.outlook.Identity.RevokeAccess(pageBob)
	eventually(t, patience, "bob is refused", func() bool {
		_, said := w.client(pageBob, bob)
		return strings.HasPrefix(said, "NO")
	})
	c.open(w.origin)
	w.state("sign-in-needed", "Sign-in needed", "What to do:", "postern login "+pageBob)
}

func TestPageStatesOfOtherAccounts(t *testing.T) {
	t.Parallel()
	w := newPageWorld(t, "")
	c := w.browser
	w.serve()
	w.state("no-accounts", "No account yet", "Add your first account", "postern setup", "Web page opened")
	c.open(w.origin + "/clients")
	w.state("clients-no-accounts", "Add an account first", "the address of the account")
	w.daemon.Process.Kill()
	w.daemon.end(t)

	w.configure("", pageAnn, pageApp)
	w.write("secret", "not the secret\n")
	w.signIn(pageAnn)
	w.configure("smtp = \"127.0.0.1:0\"", pageAnn, pageApp)
	w.serve()
	w.state("not-for-smtp", "Not good for SMTP before a new sign-in", "Get a new token")
	c.submit(`form[action="/sign-in/` + pageApp + `"] button`)
	w.look("app-refused", "The app's secret is wrong", "Try again")
	w.write("secret", pageAppSecret+"\n")
	c.open(w.origin)
	c.submit(`form[action="/sign-in/` + pageApp + `"] button`)
	w.state("app", "Ready")
}

func TestPageStatesOfTheRest(t *testing.T) {
	t.Parallel()
	w := newPageWorld(t, "", pageAnn)
	c := w.browser
	w.serve()

	c.open(w.origin + "/clients")
	w.state("clients", "For any program", "127.0.0.1", "normal password")
	c.open(w.origin + "/clients?client=mbsync&account=" + pageAnn)
	w.state("clients-to-copy", "IMAPAccount")
	c.open(w.origin + "/clients?client=thunderbird&account=" + pageAnn)
	w.state("clients-as-a-file", "Download example.com.xml", "isp/example.com.xml", "The program asks for a password")
	w.checkFile("/clients/thunderbird/"+pageAnn, "text/xml", "incomingServer")
	c.open(w.origin + "/clients?client=apple-mail&account=" + pageAnn)
	w.state("clients-refused", "needs listen.smtp", "What to do:")
	c.open(w.origin + "/nothing")
	w.state("no-such-page", "There is no such page")

	used := w.link()
	other := startChromium(t)
	other.open(used)
	other.see("Accounts")
	mine := *w // the other browser's eyes
	mine.browser = startChromium(t)
	mine.browser.open(used)
	mine.look("link-used", "This link is used up", "for two minutes", "postern open")
	mine.browser.open(w.origin)
	mine.state("no-link", "This page needs a link", "postern open")
	mine.browser.open(strings.Replace(w.origin, "127.0.0.1", "rebound.example", 1))
	mine.plain("another-host", "only for the machine it runs on")
	c.open(w.origin)
	c.submit("footer button")
	w.look("closed", "This page is closed", "postern open")
	c.open(w.origin)
	w.look("closed-for-good", "This page needs a link")
}

// checkFile fetches a file as the page's link does.
func (w *pageWorld) checkFile(path, kind, element string) {
	w.t.Helper()
	var got struct{ Kind, Text string }
	w.browser.do(chromedp.Evaluate(`fetch("`+path+`").then(async (r) => ({Kind: r.headers.get("Content-Type"), Text: await r.text()}))`, &got, awaitPromise))
	if !strings.HasPrefix(got.Kind, kind) || !strings.Contains(got.Text, "<"+element) {
		w.t.Errorf("%s is %s:\n%s", path, got.Kind, got.Text)
	}
	if err := xml.Unmarshal([]byte(got.Text), new(struct{})); err != nil {
		w.t.Error(path, err)
	}
}
