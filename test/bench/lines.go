package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"
)

// lineDoors are where SMTP and POP3 are spoken: at the server with TLS, at a relay without.
type lineDoors struct{ SMTP, POP3 string }

// mailText is whole lines of about n bytes, as of an attachment: no large message is written by hand.
func mailText(n int) []byte {
	line := strings.Repeat("aGFs", 76/4) + "\r\n"
	return bytes.Repeat([]byte(line), n/len(line))
}

// smtp and pop3 are the endpoints of those protocols; there is none for a client with TLS.
func (b *bench) smtp(c contestant) endpoint {
	return b.lineEndpoint(c, smtpLogin, func(d lineDoors) string { return d.SMTP })
}

func (b *bench) pop3(c contestant) endpoint {
	e := b.lineEndpoint(c, pop3Login, func(d lineDoors) string { return d.POP3 })
	if e.token {
		e.tls = b.cert.client()
	}
	return e
}

func (b *bench) lineEndpoint(c contestant, login func(c *client, user string, tls *tls.Config) error, pick func(lineDoors) string) endpoint {
	switch {
	case c.tls:
		return endpoint{}
	case c.relay == "":
		return endpoint{address: pick(b.origin.lines), token: true, login: func(cl *client, user string) error {
			return login(cl, user, b.cert.client())
		}}
	}
	return endpoint{address: pick(b.relays[c.relay].lines), login: func(cl *client, user string) error { return login(cl, user, nil) }}
}

// smtpLogin uses STARTTLS and the token where there is TLS, and the local password where there is none.
func smtpLogin(c *client, user string, config *tls.Config) error {
	c.conn.SetDeadline(time.Now().Add(patience))
	if err := c.say("", "220"); err != nil {
		return err
	}
	if err := c.say("EHLO bench.example", "250"); err != nil {
		return err
	}
	if config == nil {
		plain := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + localPassword))
		return c.say("AUTH PLAIN "+plain, "235")
	}
	if err := c.say("STARTTLS", "220"); err != nil {
		return err
	}
	c.conn = tls.Client(c.conn, config)
	c.br.Reset(c.conn)
	if err := c.say("AUTH XOAUTH2", "334"); err != nil {
		return err
	}
	return c.say(proof(user), "235")
}

func pop3Login(c *client, user string, config *tls.Config) error {
	c.conn.SetDeadline(time.Now().Add(patience))
	first, second := [2]string{"USER " + user, "+OK"}, "PASS "+localPassword
	if config != nil {
		first, second = [2]string{"AUTH XOAUTH2", "+"}, proof(user)
	}
	if err := c.say("", "+OK"); err != nil {
		return err
	}
	if err := c.say(first[0], first[1]); err != nil {
		return err
	}
	return c.say(second, "+OK")
}

// say sends a line, unless it is "", and reads its reply, which has to begin so.
func (c *client) say(line, begins string) error {
	if line != "" {
		if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
			return err
		}
	}
	for {
		reply, err := c.line()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(reply), begins) {
			return fmt.Errorf("server says %q", reply)
		}
		if len(reply) < 4 || reply[3] != '-' {
			return nil
		}
	}
}

// submitMessages uploads by DATA (RFC 5321).
func submitMessages(c *client, messages int) error {
	text := mailText(busyBuffer)
	for range messages {
		for _, step := range [][2]string{{"MAIL FROM:<a@bench.example>", "250"}, {"RCPT TO:<b@bench.example>", "250"}, {"DATA", "354"}} {
			if err := c.say(step[0], step[1]); err != nil {
				return err
			}
		}
		for left := largeMessage; left > 0; {
			n, err := c.conn.Write(text[:min(left, len(text))])
			if err != nil {
				return err
			}
			left -= n
		}
		if err := c.say("\r\n.", "250"); err != nil {
			return err
		}
	}
	return nil
}

// retrieveMessages downloads by RETR (RFC 1939).
func retrieveMessages(c *client, messages int) error {
	for range messages {
		if err := c.say("RETR 1", "+OK"); err != nil {
			return err
		}
		if _, err := c.br.Discard(largeMessage); err != nil {
			return err
		}
		for _, want := range []string{"", "."} {
			if line, err := c.line(); err != nil || string(line) != want {
				return fmt.Errorf("the message ends with %q, %v", line, err)
			}
		}
	}
	return nil
}
