package proxy

import (
	"bytes"
	"errors"
)

// imapCommands follows the client's commands. What it can not yet tell apart from a forbidden command it
// holds back, at most commandHead bytes and only within a line, which no server acts on before its end.
type imapCommands struct {
	state   commandState
	forbid  bool   // the command's bytes are swallowed
	answer  string // behind the tag, for a command that is swallowed
	selects bool   // the rest of the line names a mailbox to select
	idles   bool   // the line begins IDLE
	plain   bool   // the line is no command that could have a literal
	left    int64  // octets of a literal still to come
	head    []byte // the command's beginning, until its name is known
	held    int    // how many bytes of head came in earlier reads and are not passed on yet
	tag     []byte
	tail    tail
}

type commandState int

const (
	atName    commandState = iota // the tag and the name are not known yet
	inLine                        // behind the name, or in a line that goes on after a literal
	inLiteral                     // left octets to go
	atGoAhead                     // the upstream has to agree to a literal or to IDLE
)

// noLiteral in left means that a go-ahead is for no literal.
const noLiteral = -1

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
			if err := c.decide(t, start, flush, forward); err != nil {
				return err
			}
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
			ok = ok && !c.plain
			i += end + 1
			c.tail.n = 0
			switch {
			case c.idles && !ok:
				// Its go-ahead must not be taken for that of a literal which the client sends too early.
				c.idles = false
				t.announce(c.tag)
				c.state, c.left = atGoAhead, noLiteral
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
			switch {
			case v == refusedIt, c.left == noLiteral:
				c.state, c.left = atName, 0
			case c.left == 0:
				c.state = inLine
			default:
				c.state = inLiteral
			}
		}
	}
	return flush(len(b))
}

// decide looks at a command whose name is known. Bytes of b before start go by the old ruling.
func (c *imapCommands) decide(t *imapTap, start int, flush func(int) error, forward func([]byte) error) error {
	if err := flush(start); err != nil {
		return err
	}
	h := splitHead(c.head)
	c.tag = append(c.tag[:0], h.tag...)
	c.answer = afterLogin(h.name)
	c.forbid = c.answer != ""
	// Where a server sees no literal, what we took for one would be commands that nobody has looked at.
	c.plain = len(h.name) == 0 || bytes.IndexByte(h.name, '{') >= 0
	c.selects, c.idles = false, false
	if c.forbid {
		return nil
	}
	c.selects, c.idles = t.facts.command(h.name), is(h.name, "IDLE")
	if c.held > 0 {
		return forward(c.head[:c.held])
	}
	return nil
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

// nameKnown says whether head ends just behind a command's name.
func nameKnown(head []byte) bool {
	return head[len(head)-1] <= ' ' && len(splitHead(head).name) > 0
}

// commandHeadParts are a command's first words.
type commandHeadParts struct{ tag, name []byte }

// splitHead takes a command's beginning apart. Control characters separate as a space does: no server
// should take them so, but one that does must not get a password.
func splitHead(head []byte) (h commandHeadParts) {
	word := func() (w []byte) {
		for len(head) > 0 && head[0] <= ' ' {
			head = head[1:]
		}
		n := 0
		for n < len(head) && head[n] > ' ' {
			n++
		}
		w, head = head[:n], head[n:]
		return w
	}
	h.tag = word()
	h.name = word()
	return h
}
