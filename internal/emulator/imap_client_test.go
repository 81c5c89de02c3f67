package emulator

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// xoauth2Client is the mechanism that go-sasl no longer has.
type xoauth2Client struct{ user, token string }

func (c xoauth2Client) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + c.user + "\x01auth=Bearer " + c.token + "\x01\x01"), nil
}

func (c xoauth2Client) Next([]byte) ([]byte, error) { return nil, nil }

// TestImapclient reads and writes mail with a client that is not ours.
func TestImapclient(t *testing.T) {
	t.Parallel()
	for _, dialect := range []Dialect{Exchange, Gmail} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			e := start(t, Options{Mail: MailOptions{Dialect: dialect}})
			c, err := imapclient.DialTLS(e.IMAP.Addr(), &imapclient.Options{TLSConfig: &tls.Config{RootCAs: e.CAPool()}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Authenticate(xoauth2Client{"ann@example.com", issueToken(t, e, Grant{}).Access}); err != nil {
				t.Fatal(err)
			}
			box, err := c.Select("INBOX", nil).Wait()
			if err != nil || box.NumMessages != 5 {
				t.Fatal(box, err)
			}
			list, err := c.Fetch(imap.SeqSetNum(1, 2, 3, 4, 5), &imap.FetchOptions{
				Envelope: true, Flags: true, BodyStructure: &imap.FetchItemBodyStructure{},
				BodySection: []*imap.FetchItemBodySection{{Peek: true}},
			}).Collect()
			if err != nil || len(list) != 5 {
				t.Fatal(len(list), err)
			}
			for i, want := range SampleMail()[:5] {
				body := list[i].FindBodySection(&imap.FetchItemBodySection{})
				if string(body) != string(want.Raw) {
					t.Errorf("message %d: got %q; want %q", i+1, body, want.Raw)
				}
			}
			if got := list[2].Envelope.Subject; got != "Grüße, привет, こんにちは" {
				t.Errorf("subject: %q", got)
			}
			if _, multipart := list[1].BodyStructure.(*imap.BodyStructureMultiPart); !multipart {
				t.Errorf("message 2 has no parts")
			}
			raw := "Subject: from the client\r\n\r\n" + strings.Repeat("0123456789\r\n", 50_000)
			put := c.Append("Sent", int64(len(raw)), nil)
			if _, err := put.Write([]byte(raw)); err != nil {
				t.Fatal(err)
			}
			if err := put.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := put.Wait(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Move(imap.SeqSetNum(1), "Archive").Wait(); err != nil {
				t.Error(err)
			}
			if err := c.Logout().Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestManySessions holds many sessions in IDLE and pushes to all of them.
func TestManySessions(t *testing.T) {
	if testing.Short() {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI leaves nothing out: run it without -short")
		}
		t.Skip("short: 600 TLS handshakes")
	}
	t.Parallel()
	e := start(t, Options{RecordLimit: -1})
	token := issueToken(t, e, Grant{}).Access
	const sessions, at = 600, 30
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for range at {
		wg.Go(func() {
			var wires []*wire
			for range sessions / at {
				w := dial(t, e)
				w.login("ann@example.com", token)
				w.send("a SELECT INBOX", "b IDLE")
				w.until("a")
				w.expect("+ …")
				wires = append(wires, w)
			}
			<-ready
			for _, w := range wires {
				w.expect("* 6 EXISTS", byeExpired, "(end)")
			}
		})
	}
	eventually(t, "all sessions idle", func() bool {
		idle := 0
		for _, s := range e.IMAP.Sessions() {
			if s.State == "idle" {
				idle++
			}
		}
		return idle == sessions || t.Failed()
	})
	if err := e.IMAP.Deliver("ann@example.com", "", []byte("Subject: push\r\n\r\n")); err != nil {
		t.Error(err)
	}
	close(ready)
	// Wait for the push to be written everywhere: imapserver may merge nothing, but a BYE would overtake it.
	probe := dial(t, e)
	probe.login("ann@example.com", token)
	probe.send("a NOOP")
	probe.expect("a OK …")
	eventually(t, "the push is out", func() bool { return e.IMAP.pushed(6) == sessions })
	e.Identity.ExpireAccess("ann@example.com")
	wg.Wait()
}

// pushed counts the sessions whose last EXISTS told n.
func (m *IMAP) pushed(n int) int {
	count := 0
	for _, s := range m.live("") {
		s.out.mu.Lock()
		if string(s.out.exists) == fmt.Sprintf("* %d EXISTS\r\n", n) {
			count++
		}
		s.out.mu.Unlock()
	}
	return count
}
