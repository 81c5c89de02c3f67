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
	"strings"
	"syscall"
	"time"

	"postern/internal/emulator"
	"postern/internal/store"
)

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

func (l *life) linger(address, lines string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, lines)
	io.Copy(io.Discard, conn) // until the daemon is gone
}
