//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/internal/emulator"
)

// SIGTERM comes while one client reads a message, one does not read on, and one uploads. The first gets its
// message whole and then BYE, the last BYE and no word that anything was stored, and the one that does not read
// holds nobody up for long.
func TestTerminatedWhileStreaming(t *testing.T) {
	if testing.Short() {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI leaves nothing out: run it without -short")
		}
		t.Skip("-short: waits for the daemon's patience to end")
	}
	t.Parallel()
	// More than the sockets between hold, so that the message is under way until the client reads on.
	message := append([]byte("Subject: large\r\n\r\n"), bytes.Repeat([]byte(strings.Repeat("aGFs", 19)+"\r\n"), 16<<20/78)...)
	// A mailbox for each: the stand-in's is locked while it sends.
	users := []string{"ann@example.com", "bob@example.com", "cy@example.com"}
	var opt emulator.Options
	for _, u := range users {
		opt.Users = append(opt.Users, emulator.User{Address: u, Password: "web", Mail: []emulator.Message{{Raw: message}}})
	}
	h := newHousehold(t, opt)
	h.configure(h.outlook.Identity.TokenURL("{tenant}"), users...)
	passwords := map[string]string{}
	for _, u := range users {
		if out, err := h.signIn(h.command("login", u, "--no-browser"), u); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		passwords[u] = strings.TrimSpace(h.run("password", "add", u))
	}
	d, err := h.serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)

	reader := openInbox(t, d.imap, users[0], passwords[users[0]])
	literal := reader.fetch(len(message))
	stuck := openInbox(t, d.imap, users[1], passwords[users[1]])
	stuck.fetch(len(message))
	uploader := openInbox(t, d.imap, users[2], passwords[users[2]])
	uploader.say(fmt.Sprintf("u APPEND INBOX {%d}", len(message)))
	uploader.until("+")
	uploader.conn.Write(message[:1<<20])

	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if last := uploader.until("* BYE"); !strings.Contains(last, "Postern") || strings.Contains(last, "u OK") {
		t.Errorf("the uploader hears %q", last)
	}
	uploader.ends()
	if _, err := io.ReadFull(reader.br, literal); err != nil || !bytes.Equal(literal, message) {
		t.Errorf("the reader's message is not whole: %v", err)
	}
	if last := reader.until("* BYE"); !strings.Contains(last, "Postern") {
		t.Errorf("the reader hears %q", last)
	}
	reader.ends()

	select {
	case <-d.over:
	case <-time.After(time.Minute):
		t.Fatal("the daemon does not end")
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		log, _ := os.ReadFile(d.log)
		t.Errorf("exit code %d\n%s", code, log)
	}
}

// inbox is a client with its mailbox open.
type inbox struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
}

func openInbox(t *testing.T, address, user, password string) *inbox {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	c := &inbox{t: t, conn: conn, br: bufio.NewReader(conn)}
	c.say("a LOGIN " + user + " " + password)
	c.until("a OK")
	c.say("s SELECT INBOX")
	c.until("s OK")
	return c
}

func (c *inbox) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// until reads up to the line that begins so, and returns all lines.
func (c *inbox) until(begins string) string {
	c.t.Helper()
	var all strings.Builder
	for {
		line, err := c.br.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			c.t.Fatalf("no %q: %v\n%s", begins, err, all.String())
		}
		if strings.HasPrefix(line, begins) {
			return all.String()
		}
	}
}

// fetch asks for the first message and reads up to its first byte. It returns room for the message.
func (c *inbox) fetch(size int) []byte {
	c.t.Helper()
	c.say("f FETCH 1 BODY.PEEK[]")
	if line := c.until("* 1 FETCH"); !strings.HasSuffix(line, fmt.Sprintf("{%d}\r\n", size)) {
		c.t.Fatalf("FETCH begins with %q", line)
	}
	return make([]byte, size)
}

// ends wants nothing more to come.
func (c *inbox) ends() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.br); len(rest) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		c.t.Errorf("behind BYE: %q, %v", rest, err)
	}
}
