package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// drive runs a script of clients/ and fails the test with its output when it does.
func drive(t *testing.T, client string, env map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./clients/"+client)
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		screen, _ := os.ReadFile(filepath.Join(env["WORK"], "screen"))
		t.Fatalf("%s: %v\n%s%s", client, err, out, screen)
	}
}

// Each client does the same work in a mailbox of its own with messages "number 1" to "number 12":
// reads all, searches "needle", appends new.eml, flags 2, moves 3 to Done, deletes and expunges 4.
// What came of it is checked past Postern.
func TestClients(t *testing.T) {
	p := configure(t, lab.oauth, alice)
	p.signIn(alice)
	secret := p.addPassword(alice)
	work(t, p.serve().port(), alice, secret)
}

func work(t *testing.T, port, user, secret string) {
	for _, client := range []struct {
		name string
		env  map[string]string
		read func(t *testing.T, work string) (read [][]byte, found string)
	}{
		{name: "curl", read: numbered},
		{name: "imaplib", read: numbered},
		{name: "mutt", read: maildirs},
	} {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			box := openMailbox(t, user, client.name)
			work := t.TempDir()
			if err := os.WriteFile(filepath.Join(work, "new.eml"), newMail(client.name), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"WORK": work, "BOX": client.name, "PORT": port, "LOGIN": user, "PASSWORD": secret}
			drive(t, client.name, env)
			read, found := client.read(t, work)
			box.check(t, read, found)
		})
	}
	t.Run("mbsync", func(t *testing.T) {
		t.Parallel()
		box := openMailbox(t, user, "mbsync")
		dir := t.TempDir()
		sync := func() {
			drive(t, "mbsync", map[string]string{"WORK": dir, "DIR": dir + "/mail", "PATTERNS": "mbsync mbsync/Done",
				"PORT": port, "LOGIN": user, "PASSWORD": secret, "AUTH": "PLAIN"})
		}
		sync()
		tree := filepath.Join(dir, "mail", "mbsync")
		read := fileBodies(t, tree)
		files := filesBySubject(t, tree)
		setFlags(t, files["number 2 of mbsync"], "F")
		deliver(t, filepath.Join(tree, "Done"), must(os.ReadFile(files["number 3 of mbsync"])))
		setFlags(t, files["number 3 of mbsync"], "T")
		setFlags(t, files["number 4 of mbsync"], "T")
		deliver(t, tree, bytes.ReplaceAll(newMail("mbsync"), []byte("\r\n"), []byte("\n")))
		sync()
		box.check(t, read, "")
	})
}

func newMail(client string) []byte {
	return []byte("From: me@example.test\r\nTo: you@example.test\r\nSubject: new from " + client +
		"\r\nMessage-ID: <new." + client + "@example.test>\r\n\r\nFirst line\r\n.\r\n* BYE\r\nlast line\r\n")
}

// worked is a mailbox as it was before the client's work.
type worked struct {
	user, name string
	before     []message
}

func openMailbox(t *testing.T, user, name string) worked {
	t.Helper()
	w := worked{user, name, direct(t, user).messages(name)}
	if len(w.before) != 12 {
		t.Fatalf("%d messages to begin with", len(w.before))
	}
	return w
}

// check compares with the server; read is what the client read (line ends do not count), found what
// its search gave ("" = this client can not).
func (w worked) check(t *testing.T, read [][]byte, found string) {
	t.Helper()
	if found != "" && found != "1 5 9" {
		t.Errorf("the search found %q, not 1 5 9", found)
	}
	if len(read) != len(w.before) {
		t.Errorf("read %d messages of %d", len(read), len(w.before))
	}
	for _, m := range w.before {
		if !slices.ContainsFunc(read, func(b []byte) bool { return bytes.Equal(unixLines(asSent(b)), unixLines(m.body)) }) {
			t.Errorf("%s was not read, or with other bytes", m.subject())
		}
	}
	number := func(n int) string { return fmt.Sprintf("number %d of %s", n, w.name) }
	var want []string
	for _, n := range []int{1, 2, 5, 6, 7, 8, 9, 10, 11, 12} {
		want = append(want, number(n))
	}
	want = append(want, "new from "+w.name)
	slices.Sort(want)
	c := direct(t, w.user)
	after, done := c.messages(w.name), c.messages(w.name+"/Done")
	if got := subjects(after); !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q", w.name, got, want)
	}
	if got := subjects(done); !slices.Equal(got, []string{number(3)}) {
		t.Fatalf("%s/Done has %q", w.name, got)
	}
	if !bytes.Equal(asSent(done[0].body), find(t, w.before, number(3)).body) {
		t.Error("the moved message has other bytes")
	}
	if got := find(t, after, "new from "+w.name).body; !bytes.Equal(asSent(got), newMail(w.name)) {
		t.Errorf("the appended message has other bytes: %q", got)
	}
	for _, m := range after {
		if flagged := strings.Contains(m.flags, `\Flagged`); flagged != (m.subject() == number(2)) {
			t.Errorf("%s has the flags %q", m.subject(), m.flags)
		}
		if i := slices.IndexFunc(w.before, func(b message) bool { return b.uid == m.uid }); i >= 0 && !bytes.Equal(w.before[i].body, m.body) {
			t.Errorf("%s has other bytes than before", m.subject())
		}
	}
}

func unixLines(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }

// numbered reads files named 1 to 12 and the search's answer.
func numbered(t *testing.T, work string) (read [][]byte, found string) {
	t.Helper()
	for n := range 12 {
		read = append(read, must(os.ReadFile(filepath.Join(work, "read", fmt.Sprint(n+1)))))
	}
	return read, strings.TrimSpace(string(must(os.ReadFile(filepath.Join(work, "found")))))
}

// maildirs reads the two Maildirs that mutt filled.
func maildirs(t *testing.T, work string) (read [][]byte, found string) {
	t.Helper()
	var numbers []string
	for subject := range filesBySubject(t, filepath.Join(work, "found")) {
		numbers = append(numbers, strings.Fields(subject)[1])
	}
	slices.Sort(numbers)
	return fileBodies(t, filepath.Join(work, "read")), strings.Join(numbers, " ")
}
