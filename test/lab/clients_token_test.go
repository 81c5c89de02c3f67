package lab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The same clients with `postern client NAME --token`: they log in to the provider by themselves, here the
// lab's Dovecot, and get each token from `postern token`. Nothing is filled in.
func TestClientSettingsToken(t *testing.T) {
	needPostern(t)
	_, port, _ := net.SplitHostPort(lab.oauth)
	p := configure(t, net.JoinHostPort("localhost", port), heidi)
	p.signIn(heidi)
	openToNobody(t, p.dir)
	var inbox []string
	for _, m := range direct(t, heidi).messages("INBOX") {
		inbox = append(inbox, m.subject())
	}
	for _, name := range []string{"mutt", "neomutt", "mbsync", "offlineimap", "getmail", "aerc", "imapfilter", "imaplib", "curl"} {
		t.Run(name, func(t *testing.T) {
			c := settingsClients[slices.IndexFunc(settingsClients, func(c settingsClient) bool { return c.name == name })]
			c.mustBeHere(t)
			switch name {
			case "mbsync":
				needSASL(t)
			case "aerc": // has no setting for an authority of one's own
				c.dialogue = func(t *testing.T, term *terminal) {
					term.env = append(term.env, "SSL_CERT_FILE="+lab.ca)
					term.start("aerc")
					term.await(inLetters(inbox[len(inbox)-1]), ":quit\r")
					term.end()
				}
			case "imapfilter": // takes it on its command line
				c.script += " -t " + lab.ca
			}
			text := p.ok("client", name, heidi, "--token")
			if strings.Contains(text, "PASSWORD") {
				t.Errorf("a password in\n%s", text)
			}
			c.run(t, text, "PASSWORD", inbox)
		})
	}
}

// needSASL wants the module with which Cyrus SASL, and so mbsync, speaks XOAUTH2.
func needSASL(t *testing.T) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*/sasl2/libkdexoauth2*")
	if len(found) > 0 {
		return
	}
	const text = "Cyrus SASL has no XOAUTH2 (package libsasl2-modules-kdexoauth2)"
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip("SKIPPED:", text)
}

// openToNobody lets the user as whom getmail runs call the program with this state.
func openToNobody(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chmod(filepath.Dir(postern), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", "-R", "nobody:nogroup", dir).CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, out))
	}
}
