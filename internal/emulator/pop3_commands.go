package emulator

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// afterLogin answers the commands of the TRANSACTION state (RFC 1939 section 5); false when verb is another.
func (c *pop3Session) afterLogin(verb, rest string) bool {
	args := strings.Fields(rest)
	switch verb {
	case "STAT":
		count, size := c.drop.total()
		c.say(fmt.Sprintf("+OK %d %d", count, size))
	case "LIST":
		c.list(args, func(m *dropped) string { return strconv.FormatInt(m.size, 10) })
	case "UIDL":
		c.list(args, func(m *dropped) string { return m.unique })
	case "RETR":
		c.retrieve(args, -1)
	case "TOP":
		c.top(args)
	case "DELE":
		c.withMessage(args, func(n int, m *dropped) {
			m.deleted = true
			c.say("+OK")
		})
	case "RSET":
		for _, m := range c.drop.messages {
			m.deleted = false
		}
		c.say("+OK")
	case "NOOP":
		c.say("+OK")
	case "QUIT":
		c.quit()
	default:
		return false
	}
	return true
}

func (c *pop3Session) quit() {
	if err := c.drop.expunge(); err != nil {
		c.say("-ERR " + err.Error())
		return
	}
	c.say(popGoodbye)
}

// withMessage finds the message that the only argument numbers.
func (c *pop3Session) withMessage(args []string, do func(n int, m *dropped)) {
	if len(args) != 1 {
		c.say(popBadArgument)
		return
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > len(c.drop.messages) || c.drop.messages[n-1].deleted {
		c.say(popNoMessage)
		return
	}
	do(n, c.drop.messages[n-1])
}

// list answers LIST and UIDL, for one message or for all.
func (c *pop3Session) list(args []string, what func(*dropped) string) {
	if len(args) > 0 {
		c.withMessage(args, func(n int, m *dropped) { c.say(fmt.Sprintf("+OK %d %s", n, what(m))) })
		return
	}
	count, size := c.drop.total()
	lines := []string{fmt.Sprintf("+OK %d %d", count, size)}
	for i, m := range c.drop.messages {
		if !m.deleted {
			lines = append(lines, fmt.Sprintf("%d %s", i+1, what(m)))
		}
	}
	c.say(append(lines, ".")...)
}

func (c *pop3Session) top(args []string) {
	if len(args) != 2 {
		c.say(popBadArgument)
		return
	}
	lines, err := strconv.Atoi(args[1])
	if err != nil || lines < 0 {
		c.say(popBadArgument)
		return
	}
	c.retrieve(args[:1], lines)
}

// retrieve sends a message, or its head and so many lines of its body.
func (c *pop3Session) retrieve(args []string, lines int) {
	c.withMessage(args, func(n int, m *dropped) {
		raw, err := c.drop.fetch(m)
		if err != nil {
			c.say(popNoMessage)
			return
		}
		if lines >= 0 {
			raw = topOf(raw, lines)
		}
		answer := append(fmt.Appendf(nil, "+OK %d\r\n", len(raw)), dotStuffed(raw)...)
		if c.cut {
			c.send(answer[:len(answer)/2])
			c.reset()
			return
		}
		c.send(answer)
	})
}

// topOf is the head of a message and the first lines of its body.
func topOf(raw []byte, lines int) []byte {
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !ok {
		return raw
	}
	end := 0
	for range lines {
		i := bytes.IndexByte(body[end:], '\n')
		if i < 0 {
			end = len(body)
			break
		}
		end += i + 1
	}
	return raw[:len(head)+4+end]
}

// dotStuffed is a message as POP3 sends it, with the line that ends it (RFC 1939 section 3).
func dotStuffed(raw []byte) []byte {
	b := make([]byte, 0, len(raw)+len(raw)/64+5)
	for line := range bytes.Lines(raw) {
		if line[0] == '.' {
			b = append(b, '.')
		}
		b = append(b, line...)
	}
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		b = append(b, "\r\n"...)
	}
	return append(b, ".\r\n"...)
}
