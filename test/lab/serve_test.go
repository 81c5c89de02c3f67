package lab

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
)

// serve runs before anybody has signed in; a sign-in beside it counts at once; logout too.
func TestSignInBesideServe(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, ivan)
	secret := p.addPassword(ivan)
	d := p.serve()
	needsSignIn := func(when string) {
		t.Helper()
		status := dial(t, d.addr).login(ivan, secret)
		if !strings.HasPrefix(status, "NO ") || strings.Contains(status, "[AUTHENTICATIONFAILED]") || !strings.Contains(strings.ToLower(status), "sign") {
			t.Errorf("%s: %s", when, status)
		}
	}
	needsSignIn("never signed in")

	// Somebody else signs in at the page: not for this account.
	login := p.start("login", ivan, "--no-browser")
	link := login.await(t, authorizeLink)
	if _, _, page, err := newPerson(grace).visit(link, ""); err != nil {
		t.Errorf("the other person's browser: %v\n%s", err, page)
	}
	if err := login.end(t); err == nil {
		t.Errorf("signed in as %s for %s\n%s", grace, ivan, login.out)
	}
	needsSignIn("after a sign-in as another person")

	// The person thinks better of it.
	login = p.start("login", ivan, "--no-browser")
	refusing := newPerson(ivan)
	refusing.cancel = true
	if _, at, page, err := refusing.visit(login.await(t, authorizeLink), ""); err != nil || at.Hostname() != "localhost" {
		t.Errorf("the refusing person's browser at %v: %v\n%s", at, err, page)
	}
	if err := login.end(t); err == nil {
		t.Errorf("signed in against the person's will\n%s", login.out)
	}

	p.signIn(ivan)
	readInbox(t, d, ivan, secret)
	p.ok("logout", ivan)
	needsSignIn("after logout")
	p.signInDevice(ivan)
	readInbox(t, d, ivan, secret)

	revokeAll(t, latest(t, ivan))
	needsSignIn("after the provider's revocation")
	p.signIn(ivan)
	readInbox(t, d, ivan, secret)
}

func TestStatusAndShutdown(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, heidi)
	p.signIn(heidi)
	secret := p.addPassword(heidi)
	d := p.serve()

	quiet := d.connect(t, heidi, secret)
	quiet.ok("SELECT INBOX")
	idling := d.connect(t, heidi, secret)
	idling.ok("SELECT INBOX")
	idling.write("i IDLE\r\n")
	if r := idling.response(); !strings.HasPrefix(r, "+") {
		t.Fatalf("IDLE: %s", r)
	}

	status := p.ok("status", "--json")
	var document any
	if err := json.Unmarshal([]byte(status), &document); err != nil {
		t.Fatalf("status --json: %v in %s", err, status)
	}
	account := objectAbout(document, heidi)
	if account == nil || sessions(account) < 2 || account["state"] == nil {
		t.Errorf("status --json shows two sessions of %s nowhere: %s", heidi, status)
	}
	if leaked(status, secret) || leaked(status, counts(t).Issued[heidi].Access...) || leaked(status, counts(t).Issued[heidi].Refresh...) {
		t.Error("status --json shows a secret")
	}

	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*imap{"a quiet client": quiet, "an idling client": idling} {
		if r, err := c.read(); err != nil || !strings.HasPrefix(r, "* BYE") {
			t.Errorf("%s reads %q, %v at the end, not a BYE", name, r, err)
		}
		if r, err := c.read(); !errors.Is(err, io.EOF) {
			t.Errorf("%s reads %q, %v after the BYE", name, r, err)
		}
	}
	if err := d.end(t); err != nil {
		t.Errorf("serve ended with %v\n%s", err, d.out)
	}
}

// objectAbout finds the innermost object with a member that is the address.
func objectAbout(v any, email string) map[string]any {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if found := objectAbout(e, email); found != nil {
				return found
			}
		}
	case map[string]any:
		for _, e := range v {
			if e == email && v["sessions"] != nil {
				return v
			}
			if found := objectAbout(e, email); found != nil {
				return found
			}
		}
	}
	return nil
}

func sessions(account map[string]any) int {
	switch s := account["sessions"].(type) {
	case []any:
		return len(s)
	case float64:
		return int(s)
	}
	return 0
}
