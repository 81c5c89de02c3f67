package lab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func oauthDoors() doors  { return doors{imap: lab.oauth, pop3: lab.oauthPOP3, smtp: lab.oauthSMTP} }
func bearerDoors() doors { return doors{imap: lab.bearer, pop3: lab.bearerPOP3, smtp: lab.bearerSMTP} }

// kept is what the sink has got for a recipient, without the line that the submission server adds on top.
func kept(t *testing.T, recipient string) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(lab.run, "sink", "*:"+recipient+":*"))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, name := range files {
		message := must(os.ReadFile(name))
		if !bytes.HasPrefix(message, []byte("Received: ")) {
			t.Errorf("no Received line on top of %.80q", message)
		}
		for {
			_, message, _ = bytes.Cut(message, []byte("\r\n"))
			if len(message) == 0 || message[0] != ' ' && message[0] != '\t' {
				break
			}
		}
		all = append(all, message)
	}
	return all
}

// arrived checks that the sink has got one message for a recipient, byte for byte.
func arrived(t *testing.T, recipient string, want []byte) {
	t.Helper()
	got := kept(t, recipient)
	if len(got) != 1 {
		t.Fatalf("%d messages for %s, want one", len(got), recipient)
	}
	sameBytes(t, got[0], want)
}

func sameBytes(t *testing.T, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("%d bytes, want %d; they differ from byte %d: %.40q, want %.40q", len(got), len(want), at, got[at:], want[at:])
}

// letter is a message of at least size bytes with lines that a relay of lines could stumble over.
func letter(subject string, size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: mike@example.test\r\nTo: you@example.test\r\nSubject: %s\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"+
		"Message-ID: <%d@example.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", subject, size)
	b.WriteString("First line\r\n.\r\n..\r\n.dot\r\nQUIT\r\n* BYE\r\n\r\nstraße 東京 \r\n\t\r\n" + strings.Repeat("x", 990) + "\r\n")
	for r := rand.New(rand.NewPCG(1, 2)); b.Len() < size; {
		fmt.Fprintf(&b, "%s%x%x%x%x\r\n", strings.Repeat(".", r.IntN(3)), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	b.WriteString("last line\r\n")
	return b.Bytes()
}

const large = 30 << 20

func TestSend(t *testing.T) {
	p := configureDoors(t, oauthDoors(), mike)
	p.signIn(mike)
	secret := p.addPassword(mike)
	port := portOf(p.serve().door(p, "smtp"))
	for _, client := range []string{"curl", "msmtp", "swaks", "smtplib"} {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			t.Run(client+"/"+mechanism, func(t *testing.T) {
				t.Parallel()
				sendBy(t, client, mechanism, port, secret, letter("by "+client, 2000))
			})
		}
	}
	t.Run("large", func(t *testing.T) {
		t.Parallel()
		sendBy(t, "curl", "PLAIN", port, secret, letter("large", large))
	})
}

func sendBy(t *testing.T, client, mechanism, port, secret string, message []byte) {
	t.Helper()
	work := t.TempDir()
	given := message
	switch client { // both are made for files of Unix, and swaks ends the last line itself
	case "msmtp":
		given = unixLines(message)
	case "swaks":
		given = bytes.TrimSuffix(unixLines(message), []byte("\n"))
	}
	if err := os.WriteFile(filepath.Join(work, "message.eml"), given, 0o600); err != nil {
		t.Fatal(err)
	}
	recipient := strings.ToLower(filepath.Base(t.Name()) + "." + client + "@elsewhere.test")
	drive(t, "send", map[string]string{"CLIENT": client, "WORK": work, "PORT": port, "LOGIN": mike, "PASSWORD": secret,
		"AUTH": mechanism, "RCPT": recipient})
	arrived(t, recipient, message)
}

// Commands in one packet (RFC 2920), and a message in chunks that a reader of lines would not survive (RFC 3030).
func TestSendWithoutWaiting(t *testing.T) {
	t.Parallel()
	p := configureDoors(t, oauthDoors(), mike)
	p.signIn(mike)
	secret := p.addPassword(mike)
	addr := p.serve().door(p, "smtp")
	const envelope = "MAIL FROM:<" + mike + ">\r\nRCPT TO:<%s>\r\n"

	t.Run("PIPELINING", func(t *testing.T) {
		c := submit(t, addr, mike, secret)
		for i := range 3 {
			c.send(fmt.Sprintf(envelope+"DATA\r\n", fmt.Sprintf("pipelined%d@elsewhere.test", i)))
			for _, code := range []string{"250 ", "250 ", "354 "} {
				c.want("", code)
			}
			text := letter("pipelined", 5000)
			c.send(strings.ReplaceAll(string(text), "\r\n.", "\r\n..") + ".\r\nNOOP\r\n")
			c.want("", "250 ")
			c.want("", "250 ")
			arrived(t, fmt.Sprintf("pipelined%d@elsewhere.test", i), text)
		}
		c.want("QUIT", "221 ")
	})
	t.Run("BDAT", func(t *testing.T) {
		c := submit(t, addr, mike, secret)
		text := letter("in chunks", 5000)
		const first = 500 // in the middle of a line
		c.send(fmt.Sprintf(envelope, "chunks@elsewhere.test"))
		c.send(fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%sNOOP\r\n", first, text[:first], len(text)-first, text[first:]))
		for range 5 {
			c.want("", "250 ")
		}
		arrived(t, "chunks@elsewhere.test", text)
		c.want("QUIT", "221 ")
	})
}

// sendOne is a whole session.
func sendOne(t *testing.T, addr, user, password, recipient string) {
	t.Helper()
	c := submit(t, addr, user, password)
	c.want("MAIL FROM:<"+user+">", "250 ")
	c.want("RCPT TO:<"+recipient+">", "250 ")
	c.want("DATA", "354 ")
	c.want("Subject: one\r\n\r\none\r\n.", "250 ")
	c.want("QUIT", "221 ")
	arrived(t, recipient, []byte("Subject: one\r\n\r\none\r\n"))
}
