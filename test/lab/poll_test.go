package lab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPoll(t *testing.T) {
	p := configureDoors(t, oauthDoors(), nina)
	p.signIn(nina)
	secret := p.addPassword(nina)
	port := portOf(p.serve().door(p, "pop3"))
	big := letter("large", large)
	c := direct(t, nina)
	c.write(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s\r\n", len(big), big))
	if r := c.response(); !strings.HasPrefix(r, "a OK") {
		t.Fatal(r)
	}
	want := direct(t, nina).messages("INBOX")
	for _, client := range []struct{ name, auth string }{{"curl", ""}, {"mpop", "user"}, {"mpop", "plain"}, {"poplib", ""}} {
		// One after another: a mailbox is POP3's for one session at a time.
		t.Run(client.name+client.auth, func(t *testing.T) {
			work := t.TempDir()
			drive(t, "poll", map[string]string{"CLIENT": client.name, "AUTH": client.auth, "WORK": work, "PORT": port,
				"LOGIN": nina, "PASSWORD": secret})
			var read [][]byte
			for _, name := range must(filepath.Glob(work + "/read/*")) {
				text := must(os.ReadFile(name))
				if client.name == "mpop" { // writes files of Unix
					text = crlf(text)
				}
				read = append(read, text)
			}
			if len(read) != len(want) {
				t.Errorf("read %d messages of %d", len(read), len(want))
			}
			for _, m := range want {
				if !slices.ContainsFunc(read, func(b []byte) bool { return bytes.Equal(b, m.body) }) {
					t.Errorf("%s was not read, or with other bytes", m.subject())
				}
			}
		})
	}
}

// pollOne is a whole session.
func pollOne(t *testing.T, addr, user, password string) {
	t.Helper()
	c := poll(t, addr, user, password)
	if got := c.want("STAT", "+OK"); !strings.HasPrefix(got, "+OK 5 ") {
		t.Errorf("STAT: %s", got)
	}
	c.want("RETR 1", "+OK")
	if text, err := c.ReadDotBytes(); err != nil || !bytes.Contains(text, []byte("Subject: ")) {
		t.Errorf("RETR: %.80q, %v", text, err)
	}
	c.want("QUIT", "+OK")
}
