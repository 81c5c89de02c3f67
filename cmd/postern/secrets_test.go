//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/internal/emulator"
	"postern/internal/store"
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

func (l *life) signIns() {
	id := l.outlook.Identity
	// The system's browser: this one writes down how it was called. The person declines, then accepts.
	for _, as := range []string{"nobody", killed} {
		os.Remove(l.argv)
		opened := make(chan error, 1)
		go func() { opened <- visit(l.outlook, l.authorizeURL(), as) }()
		code := l.started(nil, func(string) {}, "login", killed)
		if err := <-opened; err != nil || (code == 0) != (as == killed) {
			l.t.Fatalf("login as %s: exit code %d, %v\n%s", as, code, err, l.said.String())
		}
		argv, _ := os.ReadFile(l.argv)
		l.said.Write(argv)
	}
	// Pasting: a wrong text first, then the address at which the browser ended.
	r, w := io.Pipe()
	code := l.started(r, func(line string) {
		u := aURL.FindString(line)
		if !strings.Contains(u, "/authorize?") {
			return
		}
		last, err := id.Visit(context.Background(), u, emulator.Person{Address: killed})
		if err != nil {
			l.t.Error(err)
			return
		}
		wrong := *last
		wrong.RawQuery = url.Values{"code": {last.Query().Get("code")}, "state": {"of-another"}}.Encode()
		go func() {
			fmt.Fprintf(w, "%s\n%s\n", &wrong, last)
			w.Close()
		}()
	}, "login", killed, "--no-browser")
	if code != 0 {
		l.t.Fatalf("pasted: exit code %d\n%s", code, l.said.String())
	}
	l.must("", false, "account", "add", dora, "--provider", "lab", "--client-id", emulator.SampleClientID, "--tenant", "organizations", "--flow", "device")
	code = l.started(nil, func(line string) {
		if _, after, ok := strings.Cut(line, "enter the code "); ok {
			user, _, _ := strings.Cut(after, ",")
			if err := id.EnterCode(user, dora); err != nil {
				l.t.Error(err)
			}
		}
	}, "login", dora)
	if code != 0 {
		l.t.Fatalf("device: exit code %d\n%s", code, l.said.String())
	}
	if strings.ContainsAny(l.said.String(), "▀▄█") {
		l.t.Error("a QR code where no terminal is")
	}
	l.must("", false, "login", robot)
	l.note()
	l.write("secret", "the-wrong~secret\n")
	l.secrets = append(l.secrets, "the-wrong~secret")
	if _, code := l.try("", false, "login", robot); code == 0 {
		l.t.Error("a wrong secret is accepted")
	}
	l.write("secret", appSecret+"\n")
	id.Fail(emulator.TokenCode, 1, emulator.Status(500))
	l.started(nil, func(line string) {
		if u := aURL.FindString(line); strings.Contains(u, "/authorize?") {
			visit(l.outlook, u, killed)
		}
	}, "login", killed, "--no-browser")
}

// authorizeURL waits for the browser to be started.
func (l *life) authorizeURL() string {
	for range 1000 {
		text, _ := os.ReadFile(l.argv)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "https://") && strings.HasSuffix(line, "\n") {
				return strings.TrimSpace(line)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "the browser was not started"
}

func (l *life) passwords() {
	l.local = l.must("", true, "password", "add", killed, "--label", "mutt")
	l.secrets = append(l.secrets, l.local)
	l.must(chosenPassword+"\n", false, "password", "add", dora, "--choose")
	l.try("short\n", false, "password", "add", dora, "--choose")
	l.must("", false, "password", "list", "--json")
	other := l.must("", true, "password", "add", killed, "--label", "old")
	l.secrets = append(l.secrets, other)
	l.must("", false, "password", "revoke", killed, "old")
	l.secrets = append(l.secrets, l.must("", true, "password", "add", robot))
	key, err := os.ReadFile(filepath.Join(l.dir, "state", "store.key"))
	if err != nil {
		l.t.Fatal(err)
	}
	lines := strings.Fields(string(key))
	l.secrets = append(l.secrets, lines[len(lines)-1])
}

func (l *life) daemon() *daemonProcess {
	l.t.Helper()
	d, err := l.serve()
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// address finds where the daemon listens for a protocol.
func (l *life) address(d *daemonProcess, proto string) string {
	for range 500 {
		text, _ := os.ReadFile(d.log)
		for _, m := range ready.FindAllStringSubmatch(string(text), -1) {
			if m[1] == proto {
				return m[2]
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.t.Fatalf("the daemon does not serve %s", proto)
	return ""
}

// talk sends lines and keeps what comes back until it has each of these.
func (l *life) talk(address, lines string, until ...string) {
	l.t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(conn, strings.ReplaceAll(lines, "\n", "\r\n"))
	var heard strings.Builder
	for s := bufio.NewScanner(io.TeeReader(conn, &heard)); len(until) > 0 && s.Scan(); {
		if strings.HasPrefix(s.Text(), until[0]) {
			until = until[1:]
		}
	}
	l.said.WriteString(heard.String())
	if len(until) > 0 {
		l.t.Errorf("%s: %q did not come; heard %q", address, until[0], heard.String())
	}
}

func plainProof(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

func (l *life) sessions(d *daemonProcess) {
	id, imap := l.outlook.Identity, d.imap
	l.talk(imap, "a LOGIN "+killed+" "+wrongPassword+"\nb LOGIN "+killed+" "+l.local+"\nc SELECT INBOX\nd LOGOUT\n", "a NO", "b OK", "c OK", "d OK")
	l.talk(imap, "a AUTHENTICATE PLAIN "+plainProof(dora, wrongPassword)+"\nb AUTHENTICATE PLAIN "+plainProof(dora, chosenPassword)+"\nc LOGIN "+dora+" "+wrongPassword+"\nd LOGOUT\n", "a NO", "b OK", "c BAD", "d OK")
	// A password where another thing is expected: in a LOGIN that is wrong, as a command.
	l.talk(imap, "a LOGIN x y z "+l.local+"\nb "+l.local+" x\nc LOGOUT\n", "a BAD", "b BAD", "c OK")
	l.talk(l.address(d, "smtp"), "EHLO x\nAUTH PLAIN "+plainProof(killed, wrongPassword)+"\nAUTH LOGIN\n"+base64.StdEncoding.EncodeToString([]byte(killed))+"\n"+
		base64.StdEncoding.EncodeToString([]byte(l.local))+"\n"+l.local+"\nQUIT\n", "220", "250 ", "535", "334", "334", "535", "500")
	l.talk(l.address(d, "pop3"), "USER "+killed+"\nPASS "+wrongPassword+"\nUSER "+killed+"\nPASS "+l.local+"\n"+l.local+"\nQUIT\n", "+OK", "+OK", "-ERR", "+OK", "-ERR", "-ERR")

	// Refreshes: one that works, one after the upstream's no, and refusals of every kind.
	id.RevokeAccess(killed)
	l.talk(imap, "a LOGIN "+killed+" "+l.local+"\nb LOGOUT\n", "a OK")
	l.note()
	l.outlook.IMAP.Fail(emulator.AtLogin, 2, emulator.MailFault{Kind: emulator.Refuse, Text: "NO AUTHENTICATE failed.", Mailbox: killed})
	l.talk(imap, "a LOGIN "+killed+" "+l.local+"\nb LOGOUT\n", "a ")
	l.outlook.IMAP.ClearFaults()
	l.note()
	for _, f := range []emulator.Fault{emulator.AADSTS(50076), emulator.Status(503), {Truncate: true}, {Reset: true}} {
		id.RevokeAccess(dora)
		id.Fail(emulator.TokenRefresh, 1, f)
		l.talk(imap, "a AUTHENTICATE PLAIN "+plainProof(dora, chosenPassword)+"\nb LOGOUT\n", "a ")
		l.note()
	}
	id.ClearFaults()
	web := "http://" + l.address(d, "web")
	for _, page := range []string{"/", "/metrics", "/sign-in/" + dora} {
		if res, err := http.Get(web + page); err == nil {
			io.Copy(&l.said, res.Body)
			res.Body.Close()
		}
	}
}

func (l *life) commands() {
	for _, format := range []string{"raw", "xoauth2", "oauthbearer", "json"} {
		l.must("", true, "token", killed, "--format", format)
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"account", "list", "--json"}, {"reload"}} {
		l.must("", false, args...)
	}
}

// crash makes the daemon, which shows a token to the mail server, and a command, which waits for new tokens,
// dump their goroutines.
func (l *life) crash(d *daemonProcess) (dump string) {
	l.t.Helper()
	const while = 5 * time.Second
	id, imap := l.outlook.Identity, l.outlook.IMAP
	imap.Configure(func(o *emulator.MailOptions) { o.LoginDelay = while })
	shown := imap.Count("AUTHENTICATE")
	go l.linger(d.imap, "a LOGIN "+killed+" "+l.local+"\r\n")
	l.eventually("a token at the mail server", func() bool { return imap.Count("AUTHENTICATE") > shown })
	l.expire(killed)
	id.Fail(emulator.TokenRefresh, 1, emulator.Fault{Delay: while})
	asked := id.Count(emulator.TokenRefresh)
	token := l.command("--log-level", "debug", "token", killed)
	var said bytes.Buffer
	token.Stderr = &said
	if err := token.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.eventually("a refresh under way", func() bool { return id.Count(emulator.TokenRefresh) > asked })
	l.lookAtProcesses()
	for _, p := range []*os.Process{token.Process, d.cmd.Process} {
		if err := p.Signal(syscall.SIGQUIT); err != nil {
			l.t.Fatal(err)
		}
	}
	token.Wait() // and for the process that outlives it, which has the same standard error
	<-d.over
	<-d.silent
	l.note()
	log, err := os.ReadFile(d.log)
	if err != nil {
		l.t.Fatal(err)
	}
	l.said.Write(log)
	l.said.Write(said.Bytes())
	if !strings.Contains(said.String(), "goroutine ") {
		l.t.Errorf("postern token shows no goroutines:\n%s", said.String())
	}
	return string(log)
}

// expire makes an account's stored access token old.
func (l *life) expire(email string) {
	l.t.Helper()
	state := filepath.Join(l.dir, "state")
	s, err := store.OpenFile(filepath.Join(state, "store"), store.FileKey(filepath.Join(state, "store.key")))
	if err != nil {
		l.t.Fatal(err)
	}
	defer s.Close()
	err = s.Update(l.t.Context(), email, func(r *store.Record) error {
		r.Token.Expiry, r.Token.RefreshedAt = time.Now(), time.Time{}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// lookAtProcesses keeps the arguments and the environment of every process of ours that runs now.
func (l *life) lookAtProcesses() {
	l.t.Helper()
	if runtime.GOOS != "linux" {
		l.t.Log("the arguments of running processes are looked at on Linux only")
		return
	}
	seen := ""
	programs, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, p := range programs {
		if to, _ := os.Readlink(p); to != l.path {
			continue
		}
		argv, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "environ"))
		seen += strings.ReplaceAll(string(argv)+string(env), "\x00", "\n")
	}
	l.said.WriteString(seen)
	for _, name := range []string{"serve\n", "token\n", renewCommand + "\n"} {
		if !strings.Contains(seen, name) {
			l.t.Errorf("there is no process with %q among\n%s", name, seen)
		}
	}
}

// endings are what is left to do with accounts, beside a daemon.
func (l *life) endings() {
	l.outlook.IMAP.Configure(func(o *emulator.MailOptions) { o.LoginDelay = 0 })
	d := l.daemon()
	l.talk(d.imap, "a LOGIN "+killed+" "+l.local+"\nb LOGOUT\n", "a OK", "b OK")
	l.must("", false, "logout", killed)
	l.talk(d.imap, "a LOGIN "+killed+" "+l.local+"\nb LOGOUT\n", "a NO [ALERT]", "b OK")
	l.must("", false, "account", "remove", dora)
	l.must("", false, "logout", "--all")
	l.try("", false, "token", killed)
	d.cmd.Process.Signal(syscall.SIGTERM)
	<-d.over
	<-d.silent
	log, err := os.ReadFile(d.log)
	if err != nil {
		l.t.Fatal(err)
	}
	l.said.Write(log)
	for _, event := range []string{`msg="signed out" account=` + killed, `msg="account removed" account=` + dora} {
		if !strings.Contains(string(log), event+" by=command audit=true") {
			l.t.Errorf("the daemon's log has no %q of a command", event)
		}
	}
}

// search looks for every secret in every disguise.
func (l *life) search() {
	l.t.Helper()
	secrets := append(l.secrets, l.outlook.Identity.Secrets()...)
	said := strings.ToLower(l.said.String())
	for _, s := range secrets {
		if len(s) < 8 {
			l.t.Errorf("%q is no secret", s)
		}
		if d, found := disguised(said, s); found {
			at := strings.Index(said, d)
			l.t.Errorf("%.20q… gets out as %.30q: …%s…", s, d, said[max(0, at-200):min(len(said), at+50)])
		}
	}
	// The search can find: the results have the tokens, plainly and in base64.
	found := 0
	results := strings.ToLower(l.results.String())
	for _, s := range secrets {
		if _, ok := disguised(results, s); ok {
			found++
		}
	}
	l.t.Logf("%d bytes searched for %d secrets; %d are in the results", len(said), len(secrets), found)
	if len(secrets) < 30 || found < 3 || !strings.Contains(said, "code_challenge=") || !strings.Contains(said, `msg="token refreshed"`) {
		l.t.Errorf("%d secrets, %d of them in the results: this life is too short", len(secrets), found)
	}
	if d, ok := disguised(strings.ToLower("x "+plainProof(killed, l.local)), l.local); !ok {
		l.t.Errorf("base64 is not seen through: %q", d)
	}
}

// disguised finds a secret in a text in lower case: as it is, in a URL, in JSON, and in base64 at any place.
func disguised(text, secret string) (as string, found bool) {
	forms := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(strconv.Quote(secret), `"`)}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			b := e.EncodeToString(append(make([]byte, shift), secret...))
			forms = append(forms, b[(shift*8+5)/6:len(b)-2])
		}
	}
	for _, f := range forms {
		if f = strings.ToLower(f); strings.Contains(text, f) {
			return f, true
		}
	}
	return "", false
}

func (l *life) linger(address, lines string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, lines)
	io.Copy(io.Discard, conn) // until the daemon is gone
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
