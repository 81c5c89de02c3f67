package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ended is where a real browser came to, as oidc/browser.mjs prints it.
type ended struct {
	URL, Title, Text string
	Way              []string
}

// browser lets a real Chromium go to a link and sign somebody in.
func browser(t *testing.T, link string, p *person) (end ended) {
	t.Helper()
	password, err := p.password()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"browser.mjs", lab.browser, link, p.email, password}
	if p.cancel {
		args = append(args, "cancel")
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Dir = filepath.Join(lab.run, "oidc")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("browser: %v\n%s", err, errs.String())
	}
	if err := json.Unmarshal(out, &end); err != nil {
		t.Fatalf("browser: %v in %q", err, out)
	}
	return end
}

// A real browser passes the sign-in page, follows into Postern's listener, and shows Postern's page.
func TestRealBrowser(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, heidi)
	login := p.start("login", heidi, "--no-browser")
	end := browser(t, login.await(t, authorizeLink), newPerson(heidi))
	if err := login.end(t); err != nil {
		t.Fatalf("login: %v\n%s", err, login.out)
	}
	if !strings.HasPrefix(end.URL, "http://localhost:") || !strings.Contains(end.Title+end.Text, "Signed in") || !strings.Contains(end.Text, heidi) {
		t.Errorf("the browser ended at %+v", end)
	}
	secret := p.addPassword(heidi)
	readInbox(t, p.serve(), heidi, secret)
}

// A person who cancels reads why, and so does whoever started the sign-in.
func TestRealBrowserCancels(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, heidi)
	login := p.start("login", heidi, "--no-browser")
	person := newPerson(heidi)
	person.cancel = true
	end := browser(t, login.await(t, authorizeLink), person)
	if err := login.end(t); err == nil || login.ProcessState.ExitCode() != 4 {
		t.Errorf("login: %v\n%s", err, login.out)
	}
	if !strings.Contains(end.Title+end.Text, "Not signed in") || !strings.Contains(end.Text, "declined") {
		t.Errorf("the browser ended at %+v", end)
	}
}

// The same without a hand in between: Postern starts the browser that the system has.
func TestSystemBrowser(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, heidi)
	person := newPerson(heidi)
	password, err := person.password()
	if err != nil {
		t.Fatal(err)
	}
	p.write("xdg-open", fmt.Sprintf("#!/bin/sh\ncd '%s/oidc' && exec node browser.mjs '%s' \"$1\" '%s' '%s' >'%s/end' 2>&1\n", lab.run, lab.browser, heidi, password, p.dir))
	if err := os.Chmod(filepath.Join(p.dir, "xdg-open"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	cmd := p.command(ctx, "login", heidi)
	for i, v := range cmd.Env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			cmd.Env[i] = "PATH=" + p.dir + ":" + path
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		end, _ := os.ReadFile(filepath.Join(p.dir, "end"))
		t.Fatalf("login: %v\n%s\n%s", err, out, end)
	}
	p.ok("token", heidi)
}
