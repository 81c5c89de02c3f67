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
	refusal string // behind the tag, for a command that is swallowed
	selects bool   // the rest of the line names a mailbox to select
	idles   bool   // the line begins IDLE
	stores  bool   // the command is an APPEND
	plain   bool   // the line is no command that could have a literal
	stray   bool   // the next line may be an answer to a login that was over before it came
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
	p := &passing{imapCommands: c, t: t, b: b, forward: forward, answer: answer}
	for p.at < len(b) {
		var err error
		switch c.state {
		case atName:
			err = p.name()
		case inLine:
			err = p.line()
		case inLiteral:
			p.literal()
		case atGoAhead:
			err = p.goAhead()
		}
		if err != nil {
			return err
		}
	}
	return p.flush(len(b))
}

// passing is how far one call of pass has come in its bytes.
type passing struct {
	*imapCommands
	t               *imapTap
	b               []byte
	at              int // the next byte to look at
	from            int // the first byte that is neither passed on nor swallowed
	forward, answer func([]byte) error
}

// flush passes on, or swallows, what lies before to.
func (p *passing) flush(to int) error {
	part := p.b[p.from:to]
	p.from = to
	if len(part) == 0 || p.forbid {
		return nil
	}
	return p.forward(part)
}

// name reads until the command's name is known. Until then the bytes stay here.
func (p *passing) name() error {
	start, known := p.at, false
	for p.at < len(p.b) && !known {
		if len(p.head) == commandHead {
			return errCommandHead
		}
		p.head = append(p.head, p.b[p.at])
		known = p.b[p.at] == '\n' || nameKnown(p.head)
		p.at++
	}
	if !known {
		if err := p.flush(start); err != nil {
			return err
		}
		p.from, p.held = p.at, len(p.head)
		return nil
	}
	if err := p.decide(start); err != nil {
		return err
	}
	// The byte behind the name is looked at again: it may end the line.
	p.at--
	p.tail.n = 0
	p.tail.add(p.head[:len(p.head)-1])
	p.head, p.held = p.head[:0], 0
	p.state = inLine
	return nil
}

// decide looks at a command whose name is known. Bytes before start go by the old ruling.
func (p *passing) decide(start int) error {
	if err := p.flush(start); err != nil {
		return err
	}
	h := splitHead(p.head)
	p.tag = append(p.tag[:0], h.tag...)
	p.refusal = afterLogin(h.name)
	if p.stray && len(h.name) == 0 && strayAnswer(h.tag) {
		p.tag, p.refusal = append(p.tag[:0], '*'), "BAD that is no command"
	}
	p.forbid = p.refusal != ""
	p.stray = p.forbid || p.stray && len(h.name) == 0
	// Where a server sees no literal, what we took for one would be commands that nobody has looked at.
	p.plain = len(h.name) == 0 || bytes.IndexByte(h.name, '{') >= 0
	p.selects, p.idles, p.stores = false, false, false
	if p.forbid {
		return nil
	}
	p.selects, p.idles, p.stores = p.t.facts.command(h.name), is(h.name, "IDLE"), is(h.name, "APPEND")
	if p.held > 0 {
		return p.forward(p.head[:p.held])
	}
	return nil
}

// line goes on to the end of a line, and sees what follows there.
func (p *passing) line() error {
	rest := p.b[p.at:]
	end := bytes.IndexByte(rest, '\n')
	if p.selects {
		p.selects = false
		if end >= 0 { // one that comes in pieces is not worth keeping
			p.t.facts.selected(rest[:end])
		}
	}
	if end < 0 {
		p.tail.add(rest)
		p.at = len(p.b)
		return nil
	}
	l, ok := p.tail.literalAtEnd(rest[:end+1])
	ok = ok && !p.plain
	p.at += end + 1
	p.tail.n = 0
	switch {
	case p.idles && !ok:
		// Its go-ahead must not be taken for that of a literal which the client sends too early.
		p.idles = false
		p.t.announce(p.tag)
		p.state, p.left = atGoAhead, noLiteral
	case ok && !l.sync:
		p.state, p.left = inLiteral, l.size
	case ok && p.forbid && l.size <= maxLiteral:
		// A client that does not wait has sent it already, and it must not be taken for commands.
		return p.swallowLiteral(l.size)
	case ok && !p.forbid:
		p.t.announce(p.tag)
		p.state, p.left = atGoAhead, l.size
	default: // the command is complete, or forbidden and the client waits for its fate
		return p.complete()
	}
	return nil
}

// swallowLiteral agrees to the literal of a forbidden command, which ends the line.
func (p *passing) swallowLiteral(size int64) error {
	if err := p.flush(p.at); err != nil {
		return err
	}
	if p.left = size; size > 0 {
		p.state = inLiteral
	}
	return p.answer([]byte("+ go ahead\r\n"))
}

// complete ends a command, and answers one that was swallowed.
func (p *passing) complete() error {
	if p.stores {
		p.t.stored(p.tag)
	}
	if err := p.flush(p.at); err != nil {
		return err
	}
	p.state = atName
	if !p.forbid {
		return nil
	}
	p.forbid = false
	return p.answer([]byte(string(p.tag) + " " + p.refusal + "\r\n"))
}

func (p *passing) literal() {
	n := min(p.left, int64(len(p.b)-p.at))
	p.left -= n
	p.at += int(n)
	if p.left == 0 {
		p.state = inLine
	}
}

// goAhead waits for the upstream's word about what was announced.
func (p *passing) goAhead() error {
	if err := p.flush(p.at); err != nil {
		return err
	}
	v, err := p.t.await()
	if err != nil {
		return err
	}
	switch {
	case v == refusedIt, p.left == noLiteral:
		p.state, p.left = atName, 0
	case p.left == 0:
		p.state = inLine
	default:
		p.state = inLiteral
	}
	return nil
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
