package proxy

import (
	"strings"
	"testing"

	"postern/auth"
)

// A client that logs in a second time may send its answers without waiting to be asked, and one that logs in for
// the first time may send one too many. They are lines of their own, and hold the local password.
func TestStrayAnswersStayHere(t *testing.T) {
	t.Parallel()
	imap := func() (tap, string) { return newIMAPTap(func(string) {}), "+ go\r\n" }
	imapRead := func() (tap, string) { return IMAP().watch(auth.Login{ReadOnly: true}, func(string) {}), "+ go\r\n" }
	smtp := func() (tap, string) { return newLineTap(smtpAfterLogin, smtpGoodbye), "250 ok\r\n" }
	pop3 := func() (tap, string) { return newLineTap(pop3AfterLogin, nil), "+OK\r\n" }
	const x = refusedVerb + "\r\n"
	for _, test := range []struct {
		name string
		make func() (tap, string)
		in   string
		want string
	}{
		{"imap plain", imap, "a AUTHENTICATE PLAIN\r\nAGFubgBTRUNSRVQ=\r\nb NOOP\r\n", "b NOOP\r\n"},
		{"imap login", imap, "a NOOP\r\nb AUTHENTICATE LOGIN\r\nYW5u\r\nU0VDUkVU\r\nc NOOP\r\n", "a NOOP\r\nc NOOP\r\n"},
		{"imap one too many", imap, "AGFubgBTRUNSRVQ=\r\na IDLE\r\nDONE\r\n", "a IDLE\r\nDONE\r\n"},
		{"imap second literal", imap, "a LOGIN ann {6}\r\nSECRET\r\nb NOOP\r\n", "b NOOP\r\n"},
		{"imap second literal of words", imap, "a NOOP\r\nb LOGIN {3}\r\nann {14}\r\nSECRET list it\r\nc NOOP\r\n", "a NOOP\r\nc NOOP\r\n"},
		{"imap empty literal", imap, "a LOGIN ann {0}\r\n\r\nb NOOP\r\n", "b NOOP\r\n"},
		{"imap read only", imapRead, "a LOGIN {3}\r\nann {14}\r\nSECRET list it\r\nb AUTHENTICATE PLAIN\r\nAGFubgBTRUNSRVQ=\r\nc NOOP\r\n", "c NOOP\r\n"},
		{"imap later", imap, "a NOOP\r\nb\r\nc NOOP\r\n", "a NOOP\r\nb\r\nc NOOP\r\n"},
		{"smtp plain", smtp, "AUTH PLAIN\r\nAGFubgBTRUNSRVQ=\r\nNOOP\r\n", x + x + "NOOP\r\n"},
		{"smtp login", smtp, "EHLO x\r\nAUTH LOGIN\r\nYW5u\r\nU0VDUkVU\r\nRSET\r\n", "EHLO x\r\n" + x + x + x + "RSET\r\n"},
		{"smtp long", smtp, "AUTH PLAIN\r\n" + strings.Repeat("QUJD", 50) + "\r\nQUIT\r\n", x + x + "QUIT\r\n"},
		{"smtp one too many", smtp, "AGFubgBTRUNSRVQ=\r\nMAIL FROM:<a@b>\r\n", x + "MAIL FROM:<a@b>\r\n"},
		{"smtp a message", smtp, "AUTH PLAIN\r\nDATA\r\n", x + "DATA\r\n"},
		{"smtp later", smtp, "NOOP\r\nXODD\r\n\r\nXODD 1\r\n", "NOOP\r\nXODD\r\n\r\nXODD 1\r\n"},
		{"smtp with arguments", smtp, "XODD 1\r\nXODD\r\n", "XODD 1\r\nXODD\r\n"},
		{"pop3 plain", pop3, "AUTH PLAIN\r\nAGFubgBTRUNSRVQ=\r\nSTAT\r\n", x + x + "STAT\r\n"},
		{"pop3 commands", pop3, "UIDL\r\nPASS SECRET\r\nUIDL\r\nLIST\r\nQUIT\r\n", "UIDL\r\n" + x + "UIDL\r\nLIST\r\nQUIT\r\n"},
	} {
		for _, piece := range []int{len(test.in), 1, 3, 7} {
			through, reply := test.make()
			out := ""
			forward := func(p []byte) error {
				out += string(p)
				through.down([]byte(reply))
				return nil
			}
			for in := test.in; len(in) > 0; {
				n := min(piece, len(in))
				if err := through.up([]byte(in[:n]), forward, func([]byte) error { return nil }); err != nil {
					t.Fatalf("%s in pieces of %d: %v", test.name, piece, err)
				}
				in = in[n:]
			}
			if out != test.want {
				t.Errorf("%s in pieces of %d: the upstream gets %q, want %q", test.name, piece, out, test.want)
			}
		}
	}
}
