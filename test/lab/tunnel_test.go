package lab

import (
	"slices"
	"strings"
	"testing"
)

// `postern connect` as the tunnel of real clients, with the settings that are printed for it: with no daemon
// and through one. No local password exists.
func TestTunnel(t *testing.T) {
	needPostern(t)
	p := configure(t, lab.oauth, heidi)
	p.signIn(heidi)
	var inbox []string
	for _, m := range direct(t, heidi).messages("INBOX") {
		inbox = append(inbox, m.subject())
	}
	read := func(t *testing.T) {
		for _, name := range []string{"mutt", "neomutt", "mbsync", "offlineimap"} {
			t.Run(name, func(t *testing.T) {
				c := settingsClients[slices.IndexFunc(settingsClients, func(c settingsClient) bool { return c.name == name })]
				c.mustBeHere(t)
				text := p.ok("client", name, heidi, "--tunnel")
				if strings.Contains(text, "PASSWORD") {
					t.Errorf("a password in\n%s", text)
				}
				c.run(t, text, "PASSWORD", inbox)
			})
		}
	}
	t.Run("alone", read)
	d := p.serve()
	t.Run("through serve", read)
	if log := d.out.String(); strings.Count(log, `"remote":"tunnel"`) < 4 {
		t.Errorf("the daemon carried no tunnels:\n%s", log)
	}
}

// A mailbox that can not be opened is said to the client and to the person.
func TestTunnelRefused(t *testing.T) {
	needPostern(t)
	p := configure(t, lab.oauth, heidi)
	for _, when := range []string{"alone", "through serve"} {
		stdout, stderr, code := p.run("connect", heidi)
		if code != 4 || !strings.HasPrefix(stdout, "* BYE [ALERT] ") || !strings.HasSuffix(stdout, "\r\n") || !strings.Contains(stderr, "postern login "+heidi) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", when, code, stdout, stderr)
		}
		if when == "alone" {
			p.serve()
		}
	}
}
