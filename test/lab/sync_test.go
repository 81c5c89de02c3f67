package lab

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const bobsMail = 2000

// Two thousand messages, synchronised through Postern and past it, are the same; a second
// synchronisation changes nothing on either side; changes made here arrive there.
func TestSynchronise(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, bob)
	p.signInDevice(bob)
	secret := p.addPassword(bob)
	synchronise(t, p.serve().port(), secret)
}

func synchronise(t *testing.T, port, secret string) {
	dir := t.TempDir()
	through, past := filepath.Join(dir, "through"), filepath.Join(dir, "past")
	sync := func(name string) {
		t.Helper()
		env := map[string]string{"WORK": name, "DIR": name + "/mail", "PATTERNS": "*", "LOGIN": bob, "PORT": port, "PASSWORD": secret}
		if name == past {
			env["PORT"], env["PASSWORD"] = strings.TrimPrefix(lab.plain, "127.0.0.1:"), lab.mailPassword
		}
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
		drive(t, "mbsync", env)
	}
	same := func(when string) map[string]string {
		t.Helper()
		got, want := inventory(t, through+"/mail"), inventory(t, past+"/mail")
		if maps.Equal(got, want) {
			return got
		}
		differ := 0
		for k, v := range want {
			if got[k] != v {
				differ++
				if differ <= 5 {
					t.Errorf("%s: message %q through Postern %q, past it %q", when, k, got[k], v)
				}
			}
		}
		t.Fatalf("%s: %d messages through Postern, %d past it, %d differ", when, len(got), len(want), differ)
		return nil
	}

	sync(through)
	sync(past)
	if n := len(same("first run")); n != bobsMail {
		t.Fatalf("%d messages, want %d", n, bobsMail)
	}

	here, there := listing(t, through+"/mail"), mailboxStates(t)
	sync(through)
	if !slices.Equal(listing(t, through+"/mail"), here) {
		t.Error("a second run changed the local files")
	}
	if now := mailboxStates(t); !maps.Equal(now, there) {
		t.Errorf("a second run changed the server: %v, before %v", now, there)
	}

	inbox := through + "/mail/INBOX"
	all := files(t, inbox, false)
	slices.Sort(all)
	for i, f := range all[:20] {
		setFlags(t, f, []string{"FS", "T"}[i%2])
	}
	letter := func(i int) []byte {
		return fmt.Appendf(nil, "Subject: written here %d\nMessage-ID: <here.%d@example.test>\n\n%s\n", i, i, strings.Repeat("long ", 1<<(i*3)))
	}
	for i := range 5 {
		deliver(t, through+"/mail/Archive/2024", letter(i))
	}
	sync(through)
	sync(past)
	if n := len(same("after local changes")); n != bobsMail-10+5 {
		t.Errorf("%d messages, want %d", n, bobsMail-10+5)
	}
	c := direct(t, bob)
	archive := c.messages("Archive/2024")
	for i := range 5 {
		if got := find(t, archive, fmt.Sprintf("written here %d", i)).body; !bytes.Equal(asSent(got), crlf(letter(i))) {
			t.Errorf("letter %d arrived with %d other bytes", i, len(got))
		}
	}
}

// listing names every message file with its size and time.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for _, f := range files(t, dir, true) {
		info := must(os.Stat(f))
		all = append(all, fmt.Sprint(f, info.Size(), info.ModTime().UnixNano()))
	}
	return all
}

// mailboxStates is what changes on the server with any change of a mailbox.
func mailboxStates(t *testing.T) map[string]string {
	t.Helper()
	c := direct(t, bob)
	all := map[string]string{}
	for _, r := range c.ok(`LIST "" "*"`) {
		if strings.Contains(r, `\Noselect`) || strings.Contains(r, `\NonExistent`) {
			continue
		}
		name := r[strings.LastIndex(r, ` "/" `)+len(` "/" `):]
		all[name] = strings.Join(c.ok("STATUS %s (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)", name), "")
	}
	return all
}
