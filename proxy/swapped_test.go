package proxy

import (
	"strings"
	"testing"
)

// Whoever puts the password where the user name belongs does not find it in the log.
func TestPasswordAsUserIsNotLogged(t *testing.T) {
	t.Parallel()
	const secret = "abcdef-abcde-23456-abcde-zyxwv"
	p := newProxy(t)
	c := p.dial(t)
	c.expect("* OK")
	c.send("a LOGIN " + secret + " ann@example.com\r\n")
	c.expect("a NO [AUTHENTICATIONFAILED]")
	c.send("b LOGOUT\r\n")
	c.expect("* BYE")
	if log := p.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "login refused") {
		t.Errorf("the log: %s", log)
	}
}
