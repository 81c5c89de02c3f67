package proxy

import (
	"bytes"
	"errors"
)

// imapCommands follows the client's commands. What it can not yet tell apart from a forbidden command it
// holds back, at most commandHead bytes and only within a line, which no server acts on before its end.
type imapCommands struct {
	rule    func(name, sub []byte) ruling
	state   commandState
	forbid  bool   // the command's bytes are swallowed
	answer  string // behind the tag, for a command that is swallowed
	selects bool   // the rest of the line names a mailbox to select
	left    int64  // octets of a literal still to come
	head    []byte // the command's beginning, until its name is known
	held    int    // how many bytes of head came in earlier reads and are not passed on yet
	tag     []byte
	tail    tail
}

// ruling is what becomes of a command.
type ruling struct {
	answer  string // refused, with these words behind the tag
	instead string // passed on under this name
}

type commandState int

const (
	atName    commandState = iota // the tag and the name are not known yet
	inLine                        // behind the name, or in a line that goes on after a literal
	inLiteral                     // left octets to go
	atGoAhead                     // a literal is announced that the upstream has to agree to
)

// A tag and a command's name together. Clients' tags have some 10 characters.
const commandHead = 256

var errCommandHead = errors.New("client sent a line that is no command")

// pass sends on what may go upstream.
func (c *imapCommands) pass(t *imapTap, b []byte, forward, answer func([]byte) error) error {
	from := 0 // first byte that is neither passed on nor swallowed
	flush := func(to int) error {
		part := b[from:to]
		from = to
		if len(part) == 0 || c.forbid {
			return nil
		}
		return forward(part)
	}
	for i := 0; i < len(b); {
		switch c.state {
		case atName:
			start := i
			known := false
			for i < len(b) && !known {
				if len(c.head) == commandHead {
					return errCommandHead
				}
				c.head = append(c.head, b[i])
				known = b[i] == '\n' || nameKnown(c.head)
				i++
			}
			if !known {
				if err := flush(start); err != nil {
					return err
				}
				from, c.held = len(b), len(c.head)
				return nil
			}
			skip, err := c.decide(t, start, flush, forward)
			if err != nil {
				return err
			}
			from += skip
			// The byte behind the name is looked at again: it may end the line.
			i--
			c.tail.n = 0
			c.tail.add(c.head[:len(c.head)-1])
			c.head, c.held = c.head[:0], 0
			c.state = inLine
		case inLine:
			end := bytes.IndexByte(b[i:], '\n')
			if c.selects {
				c.selects = false
				if end >= 0 { // one that comes in pieces is not worth keeping
					t.facts.selected(b[i : i+end])
				}
			}
			if end < 0 {
				c.tail.add(b[i:])
				i = len(b)
				break
			}
			l, ok := c.tail.literalAtEnd(b[i : i+end+1])
			i += end + 1
			c.tail.n = 0
			switch {
			case ok && !l.sync:
				c.state, c.left = inLiteral, l.size
			case ok && !c.forbid:
				t.announce(c.tag)
				c.state, c.left = atGoAhead, l.size
			default: // the command is complete, or forbidden and the client waits for its fate
				if err := c.complete(i, flush, answer); err != nil {
					return err
				}
			}
		case inLiteral:
			n := min(c.left, int64(len(b)-i))
			c.left -= n
			i += int(n)
			if c.left == 0 {
				c.state = inLine
			}
		case atGoAhead:
			if err := flush(i); err != nil {
				return err
			}
			v, err := t.await()
			if err != nil {
				return err
			}
			c.state = inLiteral
			if v == refusedIt {
				c.state = atName
			}
			if c.state == inLiteral && c.left == 0 {
				c.state = inLine
			}
		}
	}
	return flush(len(b))
}

// decide looks at a command whose name is known. Bytes of b before start go by the old ruling.
func (c *imapCommands) decide(t *imapTap, start int, flush func(int) error, forward func([]byte) error) (skip int, err error) {
	if err := flush(start); err != nil {
		return 0, err
	}
	h := splitHead(c.head)
	c.tag = append(c.tag[:0], h.tag...)
	r := c.rule(h.name, h.sub)
	c.forbid, c.answer = r.answer != "", r.answer
	if !c.forbid {
		c.selects = t.facts.command(h.name)
	}
	switch {
	case c.forbid:
		return 0, nil
	case r.instead != "":
		line := append(append([]byte(nil), c.head[:h.nameAt]...), r.instead...)
		line = append(line, c.head[h.nameAt+len(h.name):len(c.head)-1]...)
		return len(c.head) - 1 - c.held, forward(line)
	case c.held > 0:
		return 0, forward(c.head[:c.held])
	}
	return 0, nil
}

// complete ends a command at byte i.
func (c *imapCommands) complete(i int, flush func(int) error, answer func([]byte) error) error {
	if err := flush(i); err != nil {
		return err
	}
	c.state = atName
	if !c.forbid {
		return nil
	}
	c.forbid = false
	return answer([]byte(string(c.tag) + " " + c.answer + "\r\n"))
}

// nameKnown says whether head ends just behind a command's name, and in "UID FETCH" behind both.
func nameKnown(head []byte) bool {
	if last := head[len(head)-1]; last > ' ' {
		return false
	}
	h := splitHead(head)
	return len(h.name) > 0 && (len(h.sub) > 0 || !bytes.EqualFold(h.name, []byte("UID")))
}

// commandHeadParts are a command's first words.
type commandHeadParts struct {
	tag, name, sub []byte
	nameAt         int
}

// splitHead takes a command's beginning apart. Control characters separate as a space does: no server
// should take them so, but one that does must not get a password.
func splitHead(head []byte) (h commandHeadParts) {
	rest := head
	word := func() (w []byte) {
		for len(rest) > 0 && rest[0] <= ' ' {
			rest = rest[1:]
		}
		n := 0
		for n < len(rest) && rest[n] > ' ' {
			n++
		}
		w, rest = rest[:n], rest[n:]
		return w
	}
	h.tag = word()
	h.name = word()
	h.nameAt = len(head) - len(rest) - len(h.name)
	h.sub = word()
	return h
}
