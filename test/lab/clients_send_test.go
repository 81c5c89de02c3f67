package lab

import (
	"strings"
	"testing"
	"time"
)

// senders are the clients whose printed settings send, too. Each script sends the file message.eml, or a mail
// of the same subject, from the account to itself.
var senders = []settingsClient{
	{name: "msmtp", program: "msmtp", pack: "msmtp", script: `msmtp -C settings "$ADDRESS" <message.eml`},
	{name: "curl", program: "curl", pack: "curl", script: `sed -n '/^# send/,$p' settings >sends; sh -e sends`},
	{name: "mutt", program: "mutt", pack: "mutt", script: `mutt -n -F settings -s "sent by mutt" -- "$ADDRESS" <body`},
	{name: "neomutt", program: "neomutt", pack: "neomutt", script: `neomutt -n -F settings -s "sent by neomutt" -- "$ADDRESS" <body`},
}

func TestClientSettingsSend(t *testing.T) {
	needPostern(t)
	for _, c := range senders {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.mustBeHere(t)
			d := startDemo(t)
			text := strings.ReplaceAll(d.program(t).ok("client", c.name), "PASSWORD", d.Password)
			c.sends(t, text, d.Password, d.User)
			eventually(t, patience, "the mail arrives", func() bool {
				return strings.Contains(strings.Join(subjectsOf(t, d.Address, d.User, d.Password), "\n"), "sent by "+c.name)
			})
		})
	}
}

// sends runs the client; what it prints counts as what it read, so nothing is compared.
func (c settingsClient) sends(t *testing.T, settings, secret, address string) {
	t.Helper()
	const letter = "Hello.\n.\nThe last line.\n"
	head := "From: " + address + "\nTo: " + address + "\nSubject: sent by " + c.name + "\nDate: " + time.Now().Format(time.RFC1123Z) + "\n\n"
	c.script = "ADDRESS=" + address + "; cat >body <<'T'\n" + letter + "T\ncat >message.eml <<'T'\n" + head + letter + "T\n" + c.script
	c.exec(t, settings, secret)
}
