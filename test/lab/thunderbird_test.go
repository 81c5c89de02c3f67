//go:build unix

package lab

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"postern/internal/emulator"
)

const (
	friend = "friend.of.rosa@elsewhere.test"
	answer = "Grüße from the side gate.\n.\nThe last line."
)

// A person sets up Thunderbird with what `postern client thunderbird` prints, reads the inbox, hears of a new
// mail, and answers it. What came of it is checked past Postern.
func TestThunderbird(t *testing.T) {
	t.Parallel()
	p := configureDoors(t, oauthDoors(), rosa)
	p.signIn(rosa)
	secret := p.addPassword(rosa)
	p.serve()
	settings := p.ok("client", "thunderbird", rosa)
	box := direct(t, rosa)
	box.put("before")

	bird := startThunderbird(t, "example.test", settings)
	bird.setUp(rosa, secret, settings)
	bird.lists("Inbox", decoded(t, subjects(box.messages("INBOX"))))
	bird.reads("before", box)

	// It looks for new mail by itself, too, but every ten minutes only.
	bird.wait("it idles in the inbox", func() bool { return doing(t, p, "idle in INBOX") })
	box.put("news")
	bird.wait("the new mail comes by itself", func() bool { return slices.Contains(bird.subjects(), "news") })
	bird.reads("news", box)
	bird.picture(t, "thunderbird")

	bird.reply()
	sent := sentReply(t)
	bird.wait("the mail is marked as answered", func() bool {
		return strings.Contains(find(t, box.messages("INBOX"), "news").flags, `\Answered`)
	})
	bird.wait("a copy is among what was sent", func() bool {
		_, status := box.do("STATUS Sent (MESSAGES)")
		return strings.HasPrefix(status, "OK") && len(box.messages("Sent")) > 0
	})
	copies := box.messages("Sent")
	if len(copies) != 1 || !strings.Contains(copies[0].flags, `\Seen`) {
		t.Errorf("%d copies, the first with the flags %q", len(copies), copies[0].flags)
	}
	sameBytes(t, copies[0].body, sent)
	bird.lists("SentMail", []string{"Re: news"})
	bird.shows("Re: news", "Grüße from the side gate.")
	bird.picture(t, "thunderbird-sent")
}

// The same with the settings that `postern client thunderbird --tls` prints, from the first byte and with STARTTLS,
// where Thunderbird trusts the authority that made Postern's certificate.
func TestThunderbirdTLS(t *testing.T) {
	t.Parallel()
	needPostern(t)
	withCert := ownCertificate(t, t.TempDir())
	for name, listen := range map[string]string{"implicit": "imaps = \"127.0.0.1:0\"\n" + withCert, "starttls": withCert} {
		t.Run(name, func(t *testing.T) {
			e, p := standIn(t, listen)
			secret := p.addPassword(emulator.SampleUser)
			d := p.serve()
			settings := p.ok("client", "thunderbird", emulator.SampleUser, "--tls")
			bird := startThunderbird(t, "example.com", settings)
			bird.setUp(emulator.SampleUser, secret, settings)
			bird.until("there is an inbox", "openFolder", "Inbox")
			bird.shows("Welcome through the side gate", "Nothing here leaves this machine.")
			before := upgrades(d)
			bird.reply()
			received(t, e, "Re: Welcome through the side gate")
			if upgrades(d) == before {
				t.Error("it has sent without TLS")
			}
		})
	}
}

// setUp goes through the steps of the account hub.
func (bird *thunderbird) setUp(user, secret, settings string) {
	t := bird.t
	t.Helper()
	bird.ask("prepare", nil)
	bird.until("it takes an address", "complete", "email-auto-form", map[string]string{"realName": "Rosa", "email": user})
	bird.until("it has found settings", "at", "email-config-found")
	var found []string
	bird.ask("settings", &found)
	if want := printedServers(t, settings); !slices.Equal(found, want) {
		t.Errorf("Thunderbird found %q, printed was %q", found, want)
	}
	bird.picture(t, "thunderbird-settings")
	bird.until("it takes the settings", "complete", "email-config-found", map[string]string{})
	bird.until("it takes a password", "complete", "email-password-form", map[string]string{"password": secret})
	bird.wait("the account is added", func() bool {
		var done bool
		var refusal string
		bird.ask("at", &done, "email-added-success")
		bird.ask("refusal", &refusal)
		if refusal != "" {
			t.Fatalf("Thunderbird says: %s", refusal)
		}
		return done
	})
	bird.until("the hub can be left", "complete", "email-added-success", map[string]string{})
}

// printedServers are the servers that the settings name, as the hub shows them.
func printedServers(t *testing.T, settings string) []string {
	t.Helper()
	type server struct {
		Type     string `xml:"type,attr"`
		Hostname string `xml:"hostname"`
		Port     string `xml:"port"`
	}
	var config struct {
		Incoming []server `xml:"emailProvider>incomingServer"`
		Outgoing []server `xml:"emailProvider>outgoingServer"`
	}
	if err := xml.Unmarshal([]byte(settings), &config); err != nil || len(config.Incoming) == 0 || len(config.Outgoing) == 0 {
		t.Fatalf("%v in %s", err, settings)
	}
	in, out := config.Incoming[0], config.Outgoing[0]
	return []string{in.Type, in.Hostname, in.Port, out.Type, out.Hostname, out.Port}
}

// subjects is what the list of messages shows.
func (bird *thunderbird) subjects() (all []string) {
	bird.t.Helper()
	bird.ask("subjects", &all)
	slices.Sort(all)
	return all
}

// lists opens a folder and waits until the list of messages shows these subjects, in any order.
func (bird *thunderbird) lists(kind string, subjects []string) {
	bird.t.Helper()
	slices.Sort(subjects)
	bird.until("there is a folder "+kind, "openFolder", kind)
	bird.wait("the folder "+kind+" is listed", func() bool { return slices.Equal(bird.subjects(), subjects) })
}

// shows opens a mail of the folder that is listed.
func (bird *thunderbird) shows(subject, text string) {
	bird.t.Helper()
	bird.wait("the mail is shown", func() bool {
		var shown string
		bird.ask("open", nil, subject)
		bird.ask("shown", &shown)
		return strings.Contains(shown, text)
	})
}

// reads opens a mail of put, and waits until the server knows that it was read.
func (bird *thunderbird) reads(subject string, box *imap) {
	bird.t.Helper()
	seen := func() bool { return strings.Contains(find(bird.t, box.messages("INBOX"), subject).flags, `\Seen`) }
	if seen() {
		bird.t.Errorf("%q was read already", subject)
	}
	bird.shows(subject, "This is "+subject+".")
	bird.wait("the mail is marked as read", seen)
}

// reply answers the mail that is open.
func (bird *thunderbird) reply() {
	bird.t.Helper()
	bird.until("there is a button to reply", "reply")
	bird.until("the quotation is there", "write", answer)
	bird.until("the answer can be sent", "send")
	bird.until("the window closes", "written")
}

// put has a mail arrive from the friend.
func (c *imap) put(subject string) {
	c.t.Helper()
	text := fmt.Sprintf("From: A friend <%s>\r\nTo: %s\r\nSubject: %s\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"+
		"Message-ID: <%[3]s@elsewhere.test>\r\n\r\nThis is %[3]s.\r\n", friend, rosa, subject)
	c.ok("APPEND INBOX {%d+}\r\n%s", len(text), text)
}

// sentReply is the one mail that the friend has got, and it must be a reply to "news".
func sentReply(t *testing.T) []byte {
	t.Helper()
	eventually(t, birdPatience, "the reply arrives", func() bool { return len(kept(t, friend)) > 0 })
	got := kept(t, friend)
	if len(got) != 1 {
		t.Errorf("%d replies arrived", len(got))
	}
	m, err := mail.ReadMessage(bytes.NewReader(got[0]))
	if err != nil {
		t.Fatalf("%v in %q", err, got[0])
	}
	for key, want := range map[string]string{"Subject": "Re: news", "In-Reply-To": "<news@elsewhere.test>", "From": "Rosa <" + rosa + ">"} {
		if m.Header.Get(key) != want {
			t.Errorf("%s: %q, want %q", key, m.Header.Get(key), want)
		}
	}
	if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != friend {
		t.Errorf("it is to %v, %v", to, err)
	}
	body := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	text := string(must(io.ReadAll(body)))
	for _, want := range append(strings.Split(answer, "\n"), "> This is news.") {
		if !strings.Contains("\n"+string(unixLines([]byte(text))), "\n"+want+"\n") {
			t.Errorf("no line %q in %q", want, text)
		}
	}
	return got[0]
}

// decoded has each subject as a person reads it.
func decoded(t *testing.T, subjects []string) (all []string) {
	t.Helper()
	var words mime.WordDecoder
	for _, s := range subjects {
		all = append(all, must(words.DecodeHeader(s)))
	}
	return all
}

// doing says whether a session does that, by "status --json".
func doing(t *testing.T, p *program, what string) bool {
	t.Helper()
	var status struct {
		Accounts []struct{ Sessions []struct{ Doing string } }
	}
	if err := json.Unmarshal([]byte(p.ok("status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	for _, account := range status.Accounts {
		for _, session := range account.Sessions {
			if session.Doing == what {
				return true
			}
		}
	}
	return false
}
