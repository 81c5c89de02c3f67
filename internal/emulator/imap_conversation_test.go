package emulator

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// scriptFault is a line of the "faults" section: one JSON object.
type scriptFault struct {
	At string
	N  int
	MailFault
}

// TestConversations plays testdata/imap: what Exchange and Gmail say, line by line. "C:" is sent, "S:" is read
// ("…" = anything, "(end)" = the connection closes). A section "options" holds MailOptions in JSON, "faults" one
// fault per line. In what is sent, {ann}, {bob}, {expired}, {graph}, {bad} stand for base64 XOAUTH2 responses and
// {bearer} for an OAUTHBEARER one.
func TestConversations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/imap/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			converse(t, archive)
		})
	}
}

func converse(t *testing.T, archive *txtar.Archive) {
	e := start(t, Options{})
	var talks []string
	for _, section := range archive.Files {
		data := string(section.Data)
		switch section.Name {
		case "options":
			e.IMAP.Configure(func(o *MailOptions) { decodeStrict(t, data, o) })
		case "faults":
			for line := range strings.Lines(data) {
				var f scriptFault
				decodeStrict(t, line, &f)
				e.IMAP.Fail(f.At, f.N, f.MailFault)
			}
		default:
			talks = append(talks, data)
		}
	}
	e.IMAP.Grant("bob@work.example", "office@work.example")
	words := replies(t, e)
	for _, talk := range talks {
		dial(t, e).converse(e, talk, words)
	}
}

// converse plays one connection of a conversation: "C:" is sent, "S:" is read, "T:" is the client's side of STARTTLS.
func (w *wire) converse(e *Emulator, talk string, words *strings.Replacer) {
	w.t.Helper()
	for line := range strings.Lines(talk) {
		line = strings.TrimSuffix(line, "\n")
		text := ""
		if len(line) > 3 {
			text = line[3:]
		}
		switch {
		case strings.HasPrefix(line, "C:"):
			w.send(words.Replace(text))
		case strings.HasPrefix(line, "S:"):
			w.expect(text)
		case strings.HasPrefix(line, "T:"):
			w.startTLS(&tls.Config{RootCAs: e.CAPool()})
		}
	}
}

func decodeStrict(t *testing.T, text string, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func replies(t *testing.T, e *Emulator) *strings.Replacer {
	ann := issueToken(t, e, Grant{User: "ann@example.com"}).Access
	bob := issueToken(t, e, Grant{User: "bob@work.example"}).Access
	graph := issueToken(t, e, Grant{User: "ann@example.com", Scopes: []string{"IMAP.AccessAsUser.All"}}).Access
	expired := issueToken(t, e, Grant{User: "ann@example.com", Life: -time.Second}).Access
	return strings.NewReplacer(
		"{ann}", xoauth2("ann@example.com", ann),
		"{ANN}", xoauth2("Ann@Example.COM", ann),
		"{bob}", xoauth2("bob@work.example", bob),
		"{bob as office}", xoauth2("office@work.example", bob),
		"{bob as ann}", xoauth2("ann@example.com", bob),
		"{ann as nobody}", xoauth2("nobody@example.com", ann),
		"{graph}", xoauth2("ann@example.com", graph),
		"{expired}", xoauth2("ann@example.com", expired),
		"{bad}", xoauth2("ann@example.com", "EwMadeUp"),
		"{bearer}", oauthbearer("ann@example.com", ann),
		"{bad bearer}", oauthbearer("ann@example.com", "EwMadeUp"),
	)
}
