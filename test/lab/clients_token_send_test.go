package lab

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/internal/emulator"
)

// The clients that poll and send with `postern client NAME --token`, at the stand-in for Microsoft.
func TestClientSettingsTokenPOP3AndSMTP(t *testing.T) {
	needPostern(t)
	outlook, p := standIn(t, "")
	const user = emulator.SampleUser
	for _, c := range senders {
		t.Run(c.name, func(t *testing.T) {
			c.mustBeHere(t)
			c.sends(t, p.ok("client", c.name, user, "--token"), "PASSWORD", user)
			received(t, outlook, "sent by "+c.name)
		})
	}
	t.Run("mpop", func(t *testing.T) {
		c := settingsClients[slices.IndexFunc(settingsClients, func(c settingsClient) bool { return c.name == "mpop" })]
		c.mustBeHere(t)
		c.run(t, p.ok("client", "mpop", user, "--token"), "PASSWORD", []string{"Welcome through the side gate", "Important: the key is under the mat"})
	})
}

// standIn is a program that is signed in at the stand-in for Microsoft. listen is more for its [listen] table.
func standIn(t *testing.T, listen string) (*emulator.Emulator, *program) {
	t.Helper()
	e, err := emulator.Start(emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	toml := fmt.Sprintf("[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"127.0.0.1:0\"\npop3 = \"127.0.0.1:0\"\nweb = \"\"\n%s[provider.lab]\nauthorize_url = %q\ntoken_url = %q\n"+
		"scopes = [%q, %q, %q, \"offline_access\"]\nimap = %q\nsmtp = %q\npop3 = %q\nca_file = \"ca.pem\"\n[account.%q]\nprovider = \"lab\"\nclient_id = %q\n",
		listen, e.Identity.AuthorizeURL("common"), e.Identity.TokenURL("common"), emulator.ScopeIMAP, emulator.ScopePOP, emulator.ScopeSMTP,
		e.IMAP.Addr(), e.SMTP.Addr(), e.POP3.Addr(), emulator.SampleUser, emulator.SampleClientID)
	for name, content := range map[string][]byte{"config.toml": []byte(toml), "ca.pem": e.CAPEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, fs.FileMode(0o600)); err != nil {
			t.Fatal(err)
		}
	}
	p := &program{t: t, dir: dir}
	login := p.start("login", emulator.SampleUser, "--no-browser")
	last, err := e.Identity.Visit(t.Context(), login.await(t, authorizeLink), emulator.Person{Address: emulator.SampleUser})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(last.String())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := login.end(t); err != nil {
		t.Fatalf("login: %v\n%s", err, login.out)
	}
	return e, p
}

// received waits until the stand-in's SMTP has got a message with that subject.
func received(t *testing.T, e *emulator.Emulator, subject string) {
	t.Helper()
	eventually(t, patience, "the mail arrives", func() bool {
		return slices.ContainsFunc(e.SMTP.Received(), func(b []byte) bool { return strings.Contains(string(b), subject) })
	})
}
