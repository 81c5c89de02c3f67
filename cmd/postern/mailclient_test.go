package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func cmdIMAP(ts *testscript.TestScript, neg bool, args []string) { talk(ts, "IMAP", "* OK", args) }
func cmdSMTP(ts *testscript.TestScript, neg bool, args []string) { talk(ts, "SMTP", "220 ", args) }
func cmdPOP3(ts *testscript.TestScript, neg bool, args []string) { talk(ts, "POP3", "+OK", args) }

// cmdHold keeps the connection until it is gone, or the script ends.
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	c := w.held[args[0]]
	if c == nil {
		c = dialMail(ts, "IMAP", "* OK")
		ts.Defer(func() { c.conn.Close() })
		if w.held == nil {
			w.held = map[string]*mailClient{}
		}
		w.held[args[0]] = c
	}
	c.converse(args[1:])
}

func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	c := worldOf(ts).held[args[0]]
	delete(worldOf(ts).held, args[0])
	c.expect(args[1])
	if line, err := c.br.ReadString('\n'); err == nil {
		ts.Fatalf("after the goodbye: %q", line)
	}
}

func talk(ts *testscript.TestScript, protocol, greeting string, args []string) {
	c := dialMail(ts, protocol, greeting)
	defer c.conn.Close()
	c.converse(args)
}

// mailClient is a connection to the daemon.
type mailClient struct {
	ts       *testscript.TestScript
	protocol string
	conn     net.Conn
	br       *bufio.Reader
}

func dialMail(ts *testscript.TestScript, protocol, greeting string) *mailClient {
	conn, err := net.Dial("tcp", ts.Getenv(protocol))
	ts.Check(err)
	c := &mailClient{ts, protocol, conn, bufio.NewReader(conn)}
	c.expect(greeting)
	return c
}

// converse sends lines, which may have \n in them, and waits for the answer to each.
func (c *mailClient) converse(args []string) {
	for i := 0; i+1 < len(args); i += 2 {
		fmt.Fprintf(c.conn, "%s\r\n", strings.ReplaceAll(args[i], `\n`, "\r\n"))
		c.expect(args[i+1])
	}
}

// expect waits for a line that begins like this. It may come after other lines, but not after the answer: an IMAP
// line with the tag, the last line of an SMTP reply, POP3's -ERR.
func (c *mailClient) expect(prefix string) {
	c.conn.SetDeadline(time.Now().Add(30 * time.Second))
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			c.ts.Fatalf("waiting for %q: %v", prefix, err)
		}
		c.ts.Logf("S: %s", strings.TrimSpace(line))
		tag, _, _ := strings.Cut(prefix, " ")
		isAnswer := map[string]bool{
			"IMAP": tag != "*" && strings.HasPrefix(line, tag+" "),
			"SMTP": len(line) > 3 && line[3] != '-',
			"POP3": strings.HasPrefix(line, "-ERR"),
		}[c.protocol]
		found := strings.HasPrefix(line, prefix)
		if isAnswer && !found {
			c.ts.Fatalf("got %q, want %q", line, prefix)
		}
		if found && (isAnswer || c.protocol != "SMTP") {
			return
		}
	}
}
