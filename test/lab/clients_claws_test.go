package lab

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestClawsMail is a program with windows: it is told the printed values through the file that its dialogue
// writes, and its password where it asks for it.
func TestClawsMail(t *testing.T) {
	needPostern(t)
	t.Parallel()
	script, err := filepath.Abs("clients/claws-mail")
	if err != nil {
		t.Fatal(err)
	}
	c := settingsClient{name: "claws-mail", program: "claws-mail", pack: "claws-mail", script: "bash '" + script + "'", decodes: true}
	c.mustBeHere(t)
	d := startDemo(t)
	inbox := subjectsOf(t, d.Address, d.User, d.Password)
	settings := d.program(t).ok("client", c.name)
	c.run(t, strings.ReplaceAll(settings, "PASSWORD", d.Password), d.Password, inbox)
	now := subjectsOf(t, d.Address, d.User, d.Password)
	if len(now) != len(inbox)+1 || !strings.Contains(strings.Join(now, "\n"), "Sent by Claws Mail") {
		t.Errorf("what it sent has not come: %q", now)
	}
}
