package lab

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// loadTime is how long the load lasts: SOAK says it, else two minutes in CI and some seconds elsewhere.
func loadTime(t *testing.T) time.Duration {
	if text := os.Getenv("SOAK"); text != "" {
		return must(time.ParseDuration(text))
	}
	if os.Getenv("CI") == "true" {
		return 2 * time.Minute
	}
	return 15 * time.Second
}

// loader is one client of the load, with a mailbox of its own.
type loader struct {
	kind, user, secret, port string
	box                      string
	work                     string // a directory for one round
}

// prepare makes the mailbox as the rounds begin with it, past Postern: the same twelve messages each time.
func (l *loader) prepare(t *testing.T) {
	c := direct(t, l.user)
	for _, box := range []string{l.box + "/Done", l.box} {
		c.do("DELETE %s", box)
	}
	for _, box := range []string{l.box, l.box + "/Done"} {
		// Under load Dovecot 2.3 says now and then of a folder that it has just made that it was there already.
		if _, status := c.do("CREATE %s", box); !strings.HasPrefix(status, "OK") && !strings.Contains(status, "ALREADYEXISTS") {
			t.Fatalf("CREATE %s: %s", box, status)
		}
	}
	for n := range 12 {
		body := fmt.Sprintf("From: a@example.test\r\nTo: b@example.test\r\nSubject: number %d of %s\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"+
			"Message-ID: <%d.load@example.test>\r\n\r\n%s\r\n%s\r\n", n+1, l.kind, n, strings.Repeat("line of the body\r\n", 1+n*n*20), []string{"needle", "hay"}[min(n%4, 1)])
		c.write(fmt.Sprintf("p APPEND %s \"01-Jan-2026 00:00:00 +0000\" {%d+}\r\n%s\r\n", l.box, len(body), body))
		for r := c.response(); !strings.HasPrefix(r, "p "); r = c.response() {
		}
	}
	c.leave()
}

// round lets the client do the work of clients_test.go.
func (l *loader) round(t *testing.T) {
	if err := os.RemoveAll(l.work); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(l.work, 0o700); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"WORK": l.work, "BOX": l.box, "PORT": l.port, "LOGIN": l.user, "PASSWORD": l.secret}
	if l.kind != "mbsync" {
		if err := os.WriteFile(filepath.Join(l.work, "new.eml"), newMail(l.kind), 0o600); err != nil {
			t.Fatal(err)
		}
		drive(t, l.kind, env)
		return
	}
	env["DIR"], env["PATTERNS"], env["AUTH"] = l.work+"/mail", l.box+" "+l.box+"/Done", "PLAIN"
	drive(t, l.kind, env)
	tree := filepath.Join(l.work, "mail", l.box)
	files := filesBySubject(t, tree)
	number := func(n int) string { return files[fmt.Sprintf("number %d of mbsync", n)] }
	setFlags(t, number(2), "F")
	deliver(t, filepath.Join(tree, "Done"), must(os.ReadFile(number(3))))
	setFlags(t, number(3), "T")
	setFlags(t, number(4), "T")
	deliver(t, tree, unixLines(newMail("mbsync")))
	drive(t, l.kind, env)
}

// read is what the client has of the messages that it read.
func (l *loader) read(t *testing.T) (read [][]byte) {
	switch l.kind {
	case "mbsync":
		tree := filepath.Join(l.work, "mail", l.box)
		return append(fileBodies(t, tree), fileBodies(t, filepath.Join(tree, "Done"))...)
	case "mutt":
		read, _ = maildirs(t, l.work)
	default:
		read, _ = numbered(t, l.work)
	}
	return read
}

// result is what a round leaves: what the client has read, and the mailbox with flags and bytes of each message,
// without what servers give out.
func (l *loader) result(t *testing.T) []string {
	c := direct(t, l.user)
	var all []string
	for _, body := range l.read(t) {
		all = append(all, "read "+sum(unixLines(asSent(body))))
	}
	for _, box := range []string{l.box, l.box + "/Done"} {
		for _, m := range c.messages(box) {
			all = append(all, strings.TrimPrefix(box, l.box)+" "+m.subject()+" "+m.flags+" "+sum(unixLines(asSent(m.body))))
		}
	}
	c.leave()
	slices.Sort(all)
	return all
}

// Fifty clients of three kinds at once leave their mailboxes as one of their kind does that works past Postern.
func TestMixedLoad(t *testing.T) {
	kinds := []string{"imaplib", "mutt", "mbsync"}
	users := []string{load1, "load2@example.test", "load3@example.test", "load4@example.test", "load5@example.test"}
	p := configure(t, lab.oauth, users...)
	secrets := map[string]string{}
	for _, user := range users {
		p.signIn(user)
		secrets[user] = p.addPassword(user)
	}
	d := p.serve()

	want := map[string][]string{}
	for _, kind := range kinds {
		l := &loader{kind: kind, user: users[0], secret: lab.mailPassword, port: strings.TrimPrefix(lab.plain, "127.0.0.1:"), box: "past-" + kind, work: t.TempDir()}
		l.prepare(t)
		l.round(t)
		if want[kind] = l.result(t); len(want[kind]) != 24 {
			t.Fatalf("%s past Postern leaves %q", kind, want[kind])
		}
	}

	var loaders []*loader
	for n := range 50 {
		user := users[n%len(users)]
		loaders = append(loaders, &loader{
			kind: kinds[n%len(kinds)], user: user, secret: secrets[user], port: d.port(), box: fmt.Sprintf("box%d", n), work: filepath.Join(t.TempDir(), "work"),
		})
	}
	began := time.Now()
	until := began.Add(loadTime(t))
	var rounds [3]atomic.Int64
	var all sync.WaitGroup
	for n, l := range loaders {
		all.Go(func() {
			for first := true; first || time.Now().Before(until); first = false {
				l.prepare(t)
				l.round(t)
				if got := l.result(t); !slices.Equal(got, want[l.kind]) {
					t.Errorf("%s in %s of %s left\n%s\nand past Postern\n%s", l.kind, l.box, l.user, strings.Join(got, "\n"), strings.Join(want[l.kind], "\n"))
				}
				rounds[n%len(kinds)].Add(1)
				if t.Failed() {
					return
				}
			}
		})
	}
	all.Wait()
	for i, kind := range kinds {
		t.Logf("%s: %d rounds", kind, rounds[i].Load())
	}
	t.Logf("%v", time.Since(began).Round(time.Second))
}

// No command waits for a delayed acknowledgement, which costs 40 ms (RFC 1122 section 4.2.3.2): an answer that
// leaves in two small writes met one in other proxies.
func TestNoDelayedAcknowledgement(t *testing.T) {
	p := configure(t, lab.oauth, load1)
	p.signIn(load1)
	secret := p.addPassword(load1)
	through := p.serve().connect(t, load1, secret)
	past := direct(t, load1)
	for _, c := range []*imap{through, past} {
		c.ok("SELECT INBOX")
	}
	for _, command := range []string{"FETCH 1 BODY.PEEK[]", "NOOP", "FETCH 1:* (FLAGS)", "SEARCH ALL"} {
		took := map[*imap][]time.Duration{}
		for range 50 {
			for _, c := range []*imap{past, through} {
				began := time.Now()
				c.ok("%s", command)
				took[c] = append(took[c], time.Since(began))
			}
		}
		direct, postern := median(took[past]), median(took[through])
		t.Logf("%-20s direct %v, through Postern %v, %v more", command, direct, postern, postern-direct)
		if postern-direct > 30*time.Millisecond {
			t.Errorf("%s takes %v more through Postern: a pause", command, postern-direct)
		}
	}
	// A message that the client sends, in two writes as most do.
	body := bytes.Repeat([]byte("a line of a message\r\n"), 40)
	var pauses []time.Duration
	for range 20 {
		began := time.Now()
		through.write(fmt.Sprintf("a APPEND INBOX {%d}\r\n", len(body)))
		if r := through.response(); !strings.HasPrefix(r, "+") {
			t.Fatal(r)
		}
		through.write(string(body) + "\r\n")
		for r := through.response(); !strings.HasPrefix(r, "a "); r = through.response() {
		}
		pauses = append(pauses, time.Since(began))
	}
	t.Logf("APPEND %v", median(pauses))
}

func median(all []time.Duration) time.Duration {
	slices.SortFunc(all, cmp.Compare[time.Duration])
	return all[len(all)/2]
}
