package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// origin is that of the demo's web page.
func (d demo) origin() string {
	u, _ := url.Parse(d.Web)
	return "http://" + u.Host
}

const (
	newPassword  = "details.new > summary"
	makePassword = "details.new form button"
	labelField   = `details.new input[name="label"]`
	revokeNamed  = `summary[aria-label="Revoke the local password %s"]`
	revokeButton = "details.sure[open] button.danger"
)

// makes and returns a password, as a person at the page does.
func (c *chromium) makePassword(label string) (secret string) {
	c.t.Helper()
	c.press(newPassword)
	c.do(chromedp.SendKeys(labelField, label, chromedp.ByQuery))
	c.submit(makePassword)
	c.do(chromedp.Text("#secret", &secret, chromedp.ByQuery))
	return secret
}

// TestPage is a person at the web page with an ordinary browser.
func TestPage(t *testing.T) {
	t.Parallel()
	d, c := startDemo(t), startChromium(t)
	mail := dial(t, d.Address)
	if status := mail.login(d.User, d.Password); !strings.HasPrefix(status, "OK") {
		t.Fatal(status)
	}
	mail.ok("SELECT INBOX")

	c.open(d.origin())
	c.see("postern open")
	c.checkLooks("no-link")
	c.open(d.Web)
	c.see("All is well")
	c.see("1 open session")
	c.see("in INBOX")
	c.see("Login accepted")
	var at string
	if c.do(chromedp.Location(&at)); at != d.origin()+"/" {
		t.Error("the link ends at", at)
	}
	c.checkLooks("accounts")
	c.checkNames("banner", "main", "navigation", "contentinfo")
	if unseen, stops := c.unseenFocus(); len(unseen) > 0 || stops < 8 {
		t.Errorf("with the keyboard %d stops, focus not seen at %q", stops, unseen)
	}

	secret := c.makePassword("Thunderbird")
	c.checkLooks("password")
	c.press(`[data-copy="secret"]`)
	c.see("Cop") // "Copied." or, without the right to, "Selected: copy it …"
	fresh := dial(t, d.Address)
	if status := fresh.login(d.User, secret); !strings.HasPrefix(status, "OK") {
		t.Error("with the new password:", status)
	}

	// Live: the page stays the one that was loaded.
	c.open(d.origin())
	c.evaluate(`window.loaded = "once"`, nil)
	c.see("2 open sessions")
	another := dial(t, d.Address)
	another.login(d.User, secret)
	c.see("3 open sessions")
	dial(t, d.Address).login(d.User, "wrong")
	c.see("Login refused")
	var loaded string
	if c.evaluate(`window.loaded`, &loaded); loaded != "once" {
		t.Error("the page was loaded anew")
	}

	c.press(fmt.Sprintf(revokeNamed, "Thunderbird"))
	c.checkLooks("revoke")
	c.submit(revokeButton)
	c.see("Password revoked")
	if status := dial(t, d.Address).login(d.User, secret); !strings.HasPrefix(status, "NO") {
		t.Error("with the revoked password:", status)
	}

	c.open(d.origin() + "/clients")
	c.see("For any program")
	c.checkLooks("clients")
	c.open(d.origin() + "/clients?client=mbsync&account=" + d.User)
	c.see("IMAPAccount")
	c.checkLooks("mbsync")
	c.checkNames()
	c.open(d.origin() + "/sign-in/" + d.User)
	c.checkLooks("sign-in")
	if text := c.text(); strings.Contains(text, "demo") || strings.Contains(text, "session") {
		t.Errorf("the sign-in page tells more than it should:\n%s", text)
	}
	c.open(d.origin() + "/nothing")
	c.checkLooks("refused")
	c.checkComplaints(d)
}

// checkNames asks the tree that a screen reader reads.
func (c *chromium) checkNames(landmarks ...string) {
	c.t.Helper()
	type value struct {
		Value any `json:"value"`
	}
	var tree struct { // cdproto's own type fails on what a newer Chromium says
		Nodes []struct {
			Ignored bool  `json:"ignored"`
			Role    value `json:"role"`
			Name    value `json:"name"`
		} `json:"nodes"`
	}
	c.do(chromedp.ActionFunc(func(ctx context.Context) error {
		return cdp.Execute(ctx, accessibility.CommandGetFullAXTree, nil, &tree)
	}))
	for _, node := range tree.Nodes {
		if node.Ignored {
			continue
		}
		role := fmt.Sprint(node.Role.Value)
		landmarks = slices.DeleteFunc(landmarks, func(l string) bool { return l == role })
		switch role {
		case "button", "link", "textbox", "combobox", "heading", "DisclosureTriangle", "image", "region":
			if name, _ := node.Name.Value.(string); strings.TrimSpace(name) == "" {
				c.t.Errorf("a %s has no name", role)
			}
		}
	}
	if len(landmarks) > 0 {
		c.t.Errorf("no landmark %q", landmarks)
	}
}

func (c *chromium) checkComplaints(d demo) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.complaint {
		if !strings.Contains(text, "403 (Forbidden)") && !strings.Contains(text, "404 (Not Found)") {
			c.t.Error("console:", text)
		}
	}
	for _, url := range c.asked {
		if !strings.HasPrefix(url, d.origin()+"/") {
			c.t.Error("asked for", url)
		}
	}
}

// TestPageWithoutScript does the essentials.
func TestPageWithoutScript(t *testing.T) {
	t.Parallel()
	d, c := startDemo(t), startChromium(t)
	c.do(emulation.SetScriptExecutionDisabled(true))
	c.open(d.Web)
	c.see("does not update itself")
	c.checkLooks("without-script")
	secret := c.makePassword("mutt")
	if strings.Contains(c.text(), "Copy") {
		t.Error("a button that needs script")
	}
	mail := dial(t, d.Address)
	if status := mail.login(d.User, secret); !strings.HasPrefix(status, "OK") {
		t.Error("with the new password:", status)
	}
	c.open(d.origin())
	c.press(fmt.Sprintf(revokeNamed, "mutt"))
	c.submit(revokeButton)
	c.see("Password revoked")
	c.press(".actions details.sure > summary")
	c.submit(revokeButton)
	c.see("One account is not ready")
	c.see("Signed out")
	c.checkLooks("signed-out")
	if got := dial(t, d.Address).login(d.User, d.Password); !strings.Contains(got, "/sign-in/") {
		t.Errorf("the mail client hears %q", got)
	}
	c.open(d.origin() + "/sign-in/" + d.User)
	c.submit("form button")
	var at string
	if c.do(chromedp.Location(&at)); strings.HasPrefix(at, d.origin()) {
		t.Error("the sign-in leads to", at)
	}
}

// TestPageIsForgedInVain has a browser that is signed in to the page visit other pages.
func TestPageIsForgedInVain(t *testing.T) {
	t.Parallel()
	d, c := startDemo(t), startChromium(t)
	c.open(d.Web)
	c.see("All is well")
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%s%s"><input name="label" value="forged"></form><script>document.forms[0].submit()</script>`, d.origin(), r.URL.Path)
	}))
	t.Cleanup(evil.Close)
	for _, host := range []string{"127.0.0.1", "rebound.example"} {
		from := strings.Replace(evil.URL, "127.0.0.1", host, 1)
		for _, path := range []string{"/accounts/" + d.User + "/passwords", "/accounts/" + d.User + "/sign-out", "/sign-in/" + d.User, "/leave"} {
			c.open(from + path)
			c.see("this did not come from Postern's own page")
		}
	}
	c.open(strings.Replace(d.origin(), "127.0.0.1", "rebound.example", 1))
	c.see("only for the machine it runs on")
	c.open(evil.URL + "/")
	c.open(d.origin())
	c.see("All is well")
	if text := c.text(); strings.Contains(text, "forged") || strings.Contains(text, "Signed out") {
		t.Error(text)
	}
}
