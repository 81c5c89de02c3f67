package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// endpoint is where a client connects, and how it logs in.
type endpoint struct {
	address string
	tls     *tls.Config // nil for a plain connection
	token   bool        // XOAUTH2 with the token itself; else LOGIN with the local password

	login func(c *client, user string) error // of another protocol; nil for IMAP's
}

// client is a mail client, reduced to what is measured. It is used by one goroutine.
type client struct {
	conn net.Conn
	br   *bufio.Reader
	tags int
}

// Buffers of a client that reads messages, and of one of thousands that wait.
const (
	busyBuffer = 64 << 10
	idleBuffer = 4 << 10
)

// patience ends a measurement that hangs.
const patience = 60 * time.Second

// connect opens a connection and logs in.
func (e endpoint) connect(user string, buffer int) (*client, error) {
	conn, err := net.DialTimeout("tcp", e.address, patience)
	if err != nil {
		return nil, err
	}
	if e.tls != nil {
		conn = tls.Client(conn, e.tls)
	}
	c := &client{conn: conn, br: bufio.NewReaderSize(conn, buffer)}
	login := e.login
	if login == nil {
		login = func(c *client, user string) error { return c.login(user, e.token) }
	}
	if err := login(c, user); err != nil {
		conn.Close()
		return nil, fmt.Errorf("login: %w", err)
	}
	return c, nil
}

func (c *client) login(user string, token bool) error {
	c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := c.line(); err != nil {
		return err
	}
	command := "LOGIN " + user + " " + localPassword
	if token {
		command = "AUTHENTICATE XOAUTH2 " + proof(user)
	}
	return c.do(command)
}

func (c *client) close() { c.conn.Close() }

// line returns the next line, valid until the next read.
func (c *client) line() ([]byte, error) {
	line, err := c.br.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// do sends a command and reads up to its OK.
func (c *client) do(command string) error {
	if err := c.send(command); err != nil {
		return err
	}
	return c.completed()
}

func (c *client) send(command string) error {
	c.tags++
	_, err := fmt.Fprintf(c.conn, "a%d %s\r\n", c.tags, command)
	return err
}

// completed reads up to the answer to the last command.
func (c *client) completed() error {
	ok := fmt.Appendf(nil, "a%d OK", c.tags)
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if bytes.HasPrefix(line, ok) {
			return nil
		}
		if line[0] != '*' && line[0] != ')' {
			return fmt.Errorf("server says %q", line)
		}
	}
}

// goAhead reads up to the server's consent.
func (c *client) goAhead() error {
	for {
		line, err := c.line()
		if err != nil || line[0] == '+' {
			return err
		}
		if line[0] != '*' {
			return fmt.Errorf("server says %q", line)
		}
	}
}

// fetch reads a message of n bytes.
func (c *client) fetch(n int) error {
	if err := c.send("FETCH 1 BODY.PEEK[]<0." + strconv.Itoa(n) + ">"); err != nil {
		return err
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	if !strings.HasSuffix(string(line), "{"+strconv.Itoa(n)+"}") {
		return fmt.Errorf("server says %q", line)
	}
	if _, err := c.br.Discard(n); err != nil {
		return err
	}
	return c.completed()
}

// append uploads a message.
func (c *client) append(message io.Reader, n int) error {
	if err := c.send("APPEND Drafts {" + strconv.Itoa(n) + "}"); err != nil {
		return err
	}
	if err := c.goAhead(); err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{c.conn}, message, make([]byte, busyBuffer)); err != nil {
		return err
	}
	if _, err := io.WriteString(c.conn, "\r\n"); err != nil {
		return err
	}
	return c.completed()
}

// idle begins IDLE, done ends it.
func (c *client) idle() error {
	if err := c.send("IDLE"); err != nil {
		return err
	}
	return c.goAhead()
}

func (c *client) done() error {
	if _, err := io.WriteString(c.conn, "DONE\r\n"); err != nil {
		return err
	}
	return c.completed()
}
