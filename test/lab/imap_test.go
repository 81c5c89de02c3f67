package lab

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// imap is a client of a hundred lines, so that a test sees the bytes and not what a library made of them.
type imap struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	tags int
}

const patience = 30 * time.Second

// dial connects, over TLS unless the server is known for having none, and reads the greeting.
func dial(t *testing.T, addr string) *imap {
	t.Helper()
	var conn net.Conn
	var err error
	if addr == lab.oauth || addr == lab.bearer {
		conn, err = tls.Dial("tcp", addr, &tls.Config{RootCAs: lab.roots})
	} else {
		conn, err = net.Dial("tcp", addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &imap{t: t, conn: conn, r: bufio.NewReader(conn)}
	if g := c.response(); !strings.HasPrefix(g, "* OK") {
		t.Fatalf("greeting of %s: %q", addr, g)
	}
	return c
}

var literalEnd = regexp.MustCompile(`\{(\d+)\}\r\n$`)

// read returns one response, literals included.
func (c *imap) read() (string, error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	var whole strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		whole.WriteString(line)
		if err != nil {
			return whole.String(), err
		}
		m := literalEnd.FindStringSubmatch(line)
		if m == nil {
			return strings.TrimSuffix(whole.String(), "\r\n"), nil
		}
		n, _ := strconv.Atoi(m[1])
		if _, err := io.CopyN(&whole, c.r, int64(n)); err != nil {
			return whole.String(), err
		}
	}
}

func (c *imap) response() string {
	c.t.Helper()
	s, err := c.read()
	if err != nil {
		c.t.Fatalf("reading a response: %v (after %q)", err, s)
	}
	return s
}

func (c *imap) write(s string) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// do sends a command and returns the untagged responses and the tagged one without its tag.
func (c *imap) do(format string, args ...any) (untagged []string, status string) {
	c.t.Helper()
	c.tags++
	tag := fmt.Sprintf("t%d", c.tags)
	c.write(tag + " " + fmt.Sprintf(format, args...) + "\r\n")
	for {
		r := c.response()
		if rest, ok := strings.CutPrefix(r, tag+" "); ok {
			return untagged, rest
		}
		untagged = append(untagged, r)
	}
}

func (c *imap) ok(format string, args ...any) []string {
	c.t.Helper()
	untagged, status := c.do(format, args...)
	if !strings.HasPrefix(status, "OK") {
		c.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), status)
	}
	return untagged
}

func (c *imap) login(user, password string) string {
	c.t.Helper()
	_, status := c.do("LOGIN %s %s", quote(user), quote(password))
	return status
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// authenticate signs in with a token as RFC 7628 (OAUTHBEARER) or Google (XOAUTH2) has it. It
// returns the challenge of a refusal, decoded, and the status.
func (c *imap) authenticate(mechanism, user, token string) (challenge, status string) {
	c.t.Helper()
	initial, abort := fmt.Sprintf("user=%s\x01auth=Bearer %s\x01\x01", user, token), ""
	if mechanism == "OAUTHBEARER" {
		initial, abort = fmt.Sprintf("n,a=%s,\x01auth=Bearer %s\x01\x01", user, token), "AQ=="
	}
	c.write("a AUTHENTICATE " + mechanism + " " + base64.StdEncoding.EncodeToString([]byte(initial)) + "\r\n")
	for {
		r := c.response()
		if text, ok := strings.CutPrefix(r, "+ "); ok {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				c.t.Fatalf("challenge %q: %v", text, err)
			}
			challenge = string(b)
			c.write(abort + "\r\n")
		} else if rest, ok := strings.CutPrefix(r, "a "); ok {
			return challenge, rest
		}
	}
}

// message is one message as the server has it.
type message struct {
	uid   int
	flags string // sorted, without \Recent
	body  []byte
}

var (
	uidItem   = regexp.MustCompile(`UID (\d+)`)
	flagsItem = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
)

// messages reads a whole mailbox from the server, by UID.
func (c *imap) messages(mailbox string) []message {
	c.t.Helper()
	c.ok("EXAMINE %s", quote(mailbox))
	var all []message
	for _, r := range c.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[])") {
		head, rest, found := strings.Cut(r, "BODY[] ")
		uid, flags := uidItem.FindStringSubmatch(head), flagsItem.FindStringSubmatch(head)
		if !found || uid == nil || flags == nil {
			continue
		}
		_, body, found := strings.Cut(rest, "\r\n")
		if !found {
			c.t.Fatalf("no literal in %.200q", r)
		}
		n, _ := strconv.Atoi(uid[1])
		words := strings.Fields(strings.ReplaceAll(flags[1], `\Recent`, ""))
		slices.Sort(words)
		all = append(all, message{uid: n, flags: strings.Join(words, " "), body: []byte(strings.TrimSuffix(body, ")"))})
	}
	slices.SortFunc(all, func(a, b message) int { return cmp.Compare(a.uid, b.uid) })
	return all
}

// direct opens a session with the password server, past Postern.
func direct(t *testing.T, user string) *imap {
	t.Helper()
	c := dial(t, lab.plain)
	if status := c.login(user, lab.mailPassword); !strings.HasPrefix(status, "OK") {
		t.Fatalf("direct login of %s: %s", user, status)
	}
	return c
}

// leave ends a session before the test does: the load has tens of thousands.
func (c *imap) leave() {
	c.t.Helper()
	c.ok("LOGOUT")
	c.conn.Close()
}

// find returns the one message whose subject is so.
func find(t *testing.T, all []message, subject string) message {
	t.Helper()
	i := slices.IndexFunc(all, func(m message) bool { return m.subject() == subject })
	if i < 0 {
		t.Fatalf("no message %q among %d", subject, len(all))
	}
	return all[i]
}

func (m message) subject() string {
	head, _, _ := bytes.Cut(m.body, []byte("\r\n\r\n"))
	for line := range strings.Lines(string(head)) {
		if s, ok := strings.CutPrefix(line, "Subject: "); ok {
			return strings.TrimSpace(s)
		}
	}
	return ""
}

func subjects(all []message) []string {
	var s []string
	for _, m := range all {
		s = append(s, m.subject())
	}
	slices.Sort(s)
	return s
}
