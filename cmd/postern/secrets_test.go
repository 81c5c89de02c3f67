//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/emulator"
)

// The whole life of accounts at debug level, through the built program: nothing that it says anywhere, no
// argument or environment of a process that it starts, and not the dump of its goroutines when it is made to
// crash, may hold a secret. Secret is what opens a mailbox or ends a sign-in: local passwords, also wrong ones, tokens,
// authorization and device codes, PKCE verifiers, the app's secret, the key of the store. The authorize URL,
// with state and challenge, is not: the person's browser gets it. What a command is asked for, a new
// password or a token, comes on its standard output, which alone is not searched.
func TestNoSecretGetsOut(t *testing.T) {
	l := newLife(t)
	l.signIns()
	l.passwords()
	d := l.daemon()
	l.sessions(d)
	l.commands()
	dump := l.crash(d)
	l.endings()

	if !strings.Contains(dump, "goroutine ") || !strings.Contains(dump, "postern/auth.") {
		t.Errorf("the crash shows no goroutine with a token in use:\n%.2000s", dump)
	}
	l.search()
}

const (
	chosenPassword = "correct-horse-battery-staple-9"
	wrongPassword  = "not-the-right-password-4711"
	appSecret      = "the~secret.of_the-app/1234"
	appClient      = "00000000-0000-4000-8000-00000000000a"
	dora           = "dora@example.com" // signs in by device code; added by command
	robot          = "robot@example.com"
)

// life collects what comes out, and what must not.
type life struct {
	*household
	said    bytes.Buffer // what is searched
	results bytes.Buffer // what commands were asked for
	secrets []string
	argv    string // file in which the browser writes how it was started
	local   string // ann's generated password
}

func newLife(t *testing.T) *life {
	opt := emulator.Options{
		Users: []emulator.User{
			{Address: killed, Password: "web-password-1", Mail: emulator.SampleMail()},
			{Address: dora, Password: "web-password-2", Work: true, Mail: emulator.SampleMail()},
			{Address: robot},
		},
		Clients: []emulator.Client{{ID: emulator.SampleClientID}, {ID: appClient, Secrets: []string{appSecret}}},
		Policy:  emulator.Policy{DeviceInterval: time.Second},
	}
	l := &life{household: newHousehold(t, opt)}
	l.outlook.IMAP.Grant(appClient, robot)
	id := l.outlook.Identity
	l.configure(id.TokenURL("{tenant}"), killed)
	l.replace("config.toml", `web = ""`, "web = \"127.0.0.1:0\"\nsmtp = \"127.0.0.1:0\"\npop3 = \"127.0.0.1:0\"")
	l.add("config.toml", fmt.Sprintf("[account.%q]\nprovider = \"lab\"\nflow = \"client-credentials\"\nclient_id = %q\n"+
		"tenant = \"contoso.example\"\nclient_secret_file = \"secret\"\n", robot, appClient))
	l.write("secret", appSecret+"\n")
	l.argv = filepath.Join(l.dir, "argv")
	l.write("xdg-open", "#!/bin/sh\nenv >>'"+l.argv+"'\nfor a; do echo \"$a\"; done >>'"+l.argv+"'\n")
	if err := os.Chmod(filepath.Join(l.dir, "xdg-open"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, v := range l.env {
		if strings.HasPrefix(v, "PATH=") {
			l.env[i] = "PATH=" + l.dir + ":" + strings.TrimPrefix(v, "PATH=")
		}
	}
	l.secrets = []string{chosenPassword, wrongPassword, appSecret}
	return l
}

func (l *life) replace(name, old, new string) {
	b, _ := os.ReadFile(filepath.Join(l.dir, name))
	if !bytes.Contains(b, []byte(old)) {
		l.t.Fatalf("%s has no %q", name, old)
	}
	l.write(name, strings.ReplaceAll(string(b), old, new))
}

// try runs a command to its end, whatever that is. What it has on standard output counts as said unless it
// is what it was asked for.
func (l *life) try(stdin string, asked bool, args ...string) (stdout string, code int) {
	l.t.Helper()
	cmd := l.command(append([]string{"--log-level", "debug"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		l.t.Fatal(err)
	}
	fmt.Fprintf(&l.said, "$ postern %s\n%s", strings.Join(args, " "), errs.String())
	if asked {
		l.results.Write(out.Bytes())
	} else {
		l.said.Write(out.Bytes())
	}
	return strings.TrimSpace(out.String()), cmd.ProcessState.ExitCode()
}

// must is try for what has to work.
func (l *life) must(stdin string, asked bool, args ...string) string {
	l.t.Helper()
	out, code := l.try(stdin, asked, args...)
	if code != 0 {
		l.t.Fatalf("postern %s: exit code %d\n%s", strings.Join(args, " "), code, l.said.String())
	}
	return out
}

// note keeps the secrets of the last request of each kind, which the next one replaces.
func (l *life) note() {
	for _, at := range []emulator.Endpoint{emulator.TokenCode, emulator.TokenRefresh, emulator.TokenDevice, emulator.TokenApp} {
		form := l.outlook.Identity.Last(at)
		for _, name := range []string{"code", "code_verifier", "refresh_token", "device_code", "client_secret", "client_assertion"} {
			if v := form.Get(name); v != "" && !slices.Contains(l.secrets, v) {
				l.secrets = append(l.secrets, v)
			}
		}
	}
}

// started runs a login while act plays the person, line by line of what it says.
func (l *life) started(stdin io.Reader, act func(line string), args ...string) int {
	l.t.Helper()
	cmd := l.command(append([]string{"--log-level", "debug"}, args...)...)
	cmd.Stdin = stdin
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(io.TeeReader(r, &l.said)); lines.Scan(); {
			act(lines.Text())
		}
	}()
	cmd.Wait()
	w.Close()
	<-read
	l.note()
	return cmd.ProcessState.ExitCode()
}

func (l *life) eventually(what string, done func() bool) {
	l.t.Helper()
	for range 3000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.t.Fatalf("it did not happen: %s", what)
}
