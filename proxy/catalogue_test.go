package proxy

import (
	"strings"
	"testing"

	"postern/auth"
)

// Every text of the catalogue, said by a mail server at login, reaches the client with its sentence.
func TestEveryServerText(t *testing.T) {
	t.Parallel()
	code := map[auth.Class]string{
		auth.Retry: "a NO [UNAVAILABLE]", auth.Refresh: "a NO [UNAVAILABLE]", auth.Admin: "a NO [CONTACTADMIN]", auth.Configuration: "a NO [ALERT]",
	}
	for _, e := range auth.Catalogue() {
		for _, text := range e.Texts {
			t.Run(text, func(t *testing.T) {
				t.Parallel()
				p := newProxy(t)
				go p.upstream.refuseAll(t, text)
				c := p.dial(t)
				c.expect("* OK")
				c.send(loginLine)
				got := c.line()
				if !strings.HasPrefix(got, code[e.Problem.Class]+" ann@example.com: "+e.Problem.Say) {
					t.Errorf("got  %q\nwant %q %q", got, code[e.Problem.Class], e.Problem.Say)
				}
				c.send("b NOOP\r\n")
				c.expect("b OK")
			})
		}
	}
}

// refuseAll answers the login of every connection with text.
func (u *fakeUpstream) refuseAll(t *testing.T, text string) {
	for up := range u.conns {
		up.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready")
		tag, _, _ := strings.Cut(up.line(t), " ")
		up.send(tag + " NO " + text)
	}
}
