package lab

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// lines is a client of SMTP and of POP3, whose replies begin alike enough.
type lines struct {
	t    *testing.T
	conn net.Conn
	*textproto.Conn
}

// dialLines connects and reads the greeting.
func dialLines(t *testing.T, addr string) *lines {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return greeted(t, conn)
}

func secureLines(t *testing.T, addr string) *lines {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: lab.roots})
	if err != nil {
		t.Fatal(err)
	}
	return greeted(t, conn)
}

func greeted(t *testing.T, conn net.Conn) *lines {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	c := &lines{t, conn, textproto.NewConn(conn)}
	c.want("", "220 ", "+OK")
	return c
}

// reply is one reply's last line; only SMTP's have others before it.
func (c *lines) reply() string {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(patience))
	for {
		line, err := c.ReadLine()
		if err != nil {
			c.t.Fatalf("reading a reply: %v", err)
		}
		if len(line) < 4 || line[3] != '-' {
			return line
		}
	}
}

// send writes bytes as they are.
func (c *lines) send(text string) {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// want sends a line, unless it is "", and fails the test when no beginning fits its reply.
func (c *lines) want(line string, beginnings ...string) string {
	c.t.Helper()
	if line != "" {
		c.send(line + "\r\n")
	}
	got := c.reply()
	for _, b := range beginnings {
		if strings.HasPrefix(got, b) {
			return got
		}
	}
	verb, _, _ := strings.Cut(line, " ") // what follows may be a secret
	c.t.Fatalf("%s: %s, not %q", verb, got, beginnings)
	return ""
}

func saslPlain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// submit logs in to send.
func submit(t *testing.T, addr, user, password string) *lines {
	t.Helper()
	c := dialLines(t, addr)
	c.want("EHLO client.example.test", "250 ")
	c.want("AUTH PLAIN "+saslPlain(user, password), "235 ")
	return c
}

// poll logs in to POP3.
func poll(t *testing.T, addr, user, password string) *lines {
	t.Helper()
	c := dialLines(t, addr)
	c.want("USER "+user, "+OK")
	c.want("PASS "+password, "+OK")
	return c
}

// door is where a running daemon listens, by configuration key.
func (d *daemon) door(p *program, key string) string {
	p.t.Helper()
	var status struct {
		Listeners []struct{ Name, Address string }
	}
	text := p.ok("status", "--json")
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		p.t.Fatal(err)
	}
	for _, l := range status.Listeners {
		if l.Name == key {
			return l.Address
		}
	}
	p.t.Fatalf("nobody listens for %s: %s", key, text)
	return ""
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
