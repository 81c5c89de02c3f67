package emulator

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// sink is a connection that keeps what is written.
type sink struct {
	net.Conn
	bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error)      { return s.Buffer.Write(p) }
func (s *sink) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

// TestForwardInAnySegments: rewording must not depend on how imapserver's writes are cut, and must leave literals
// alone even when they look like the protocol.
func TestForwardInAnySegments(t *testing.T) {
	t.Parallel()
	in := "* PREAUTH [CAPABILITY IMAP4rev1] IMAP server ready\r\n" +
		"* STATUS INBOX (MESSAGES 1)\r\n" +
		"* 1 FETCH (UID 1 FLAGS (\\seen \\flagged) BODY[] {74}\r\n" +
		"* STATUS INBOX (MESSAGES 1)\r\n+ idling\r\na1 OK FETCH completed\r\n{99}\r\n* BYE x\r\n" +
		" BODY[TEXT] {0}\r\n ENVELOPE \"FLAGS (\\\\seen)\")\r\n" +
		"* OK [ALERT] look at {5}\r\n" +
		"* 3 FETCH (FLAGS (\\answered) ENVELOPE (\"(FLAGS (\\\\seen)\" NIL))\r\n" +
		"a1 OK FETCH completed\r\n+ Ready for literal data\r\na2 BAD Unknown command\r\n" +
		"a3 BAD [CLIENTBUG] Syntax error: expected SP\r\na4 NO [TRYCREATE] No such mailbox\r\n"
	want := "* STATUS INBOX (MESSAGES 1) \r\n" +
		"* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged) BODY[] {74}\r\n" +
		"* STATUS INBOX (MESSAGES 1)\r\n+ idling\r\na1 OK FETCH completed\r\n{99}\r\n* BYE x\r\n" +
		" BODY[TEXT] {0}\r\n ENVELOPE \"FLAGS (\\\\seen)\")\r\n" +
		"* OK [ALERT] look at {5}\r\n" +
		"* 3 FETCH (FLAGS (\\Answered) ENVELOPE (\"(FLAGS (\\\\seen)\" NIL))\r\n" +
		"a1 OK FETCH completed.\r\n+ Ready for additional command text.\r\na2 BAD Command Error. 10\r\n" +
		"a3 BAD Command Argument Error. 11\r\na4 NO [TRYCREATE] No such mailbox\r\n"
	for range 500 {
		to := &sink{}
		c := &mailConn{s: &session{}, announced: -1}
		c.s.out.conn = to
		for rest := []byte(in); len(rest) > 0; {
			n := 1 + rand.IntN(min(len(rest), 40))
			if err := c.forward(bytes.Clone(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got := to.String(); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}
