package proxy

import (
	"bytes"
	"errors"
	"strings"
)

// imapReader carries the commands of a local password that may only read. It takes each command whole, with
// its literals, and passes it on as one line of its own making, or not at all. So every line that the upstream
// gets, wherever it takes a line to begin, is a command that was looked at: servers differ about literals
// that they refuse, about what ends IDLE and about stray control characters, and none of that matters here.
type imapReader struct {
	line    []byte // the part of a line that has come
	command []byte // what has come of a command before the line, its literals as quoted strings
	left    int64  // octets of a literal still to come
	literal []byte
	state   readerState
	refusal string // behind the tag, for a command that is refused when all of it has come
	idle    bool   // IDLE was passed on, DONE was not
}

type readerState int

const (
	readsLine readerState = iota
	readsLiteral
	skipsLiteral
)

// maxReading bounds a command that is held: Exchange refuses lines of 40 kB, and a search for a long text has
// room.
const maxReading = 64 << 10

var errReadingTooLong = errors.New("command longer than 64 KiB")

const notOneLine = "NO [CANNOT] this local password takes no text of several lines"

// pass sends on what may go upstream.
func (r *imapReader) pass(t *imapTap, b []byte, forward, answer func([]byte) error) error {
	for len(b) > 0 {
		switch r.state {
		case readsLiteral, skipsLiteral:
			n := int(min(r.left, int64(len(b))))
			if r.state == readsLiteral {
				r.literal = append(r.literal, b[:n]...)
			}
			b = b[n:]
			if r.left -= int64(n); r.left == 0 {
				r.endLiteral()
			}
		default:
			end := bytes.IndexByte(b, '\n')
			if end < 0 {
				end = len(b) - 1
			}
			r.line = append(r.line, b[:end+1]...)
			b = b[end+1:]
			if len(r.line)+len(r.command) > maxReading {
				return errReadingTooLong
			}
			if r.line[len(r.line)-1] == '\n' {
				if err := r.endLine(t, forward, answer); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// endLine looks at a command of which a line has come to its end.
func (r *imapReader) endLine(t *imapTap, forward, answer func([]byte) error) error {
	line := trimEOL(r.line)
	l, ok := literalAt(line)
	if !ok {
		r.command = append(r.command, line...)
		err := r.endCommand(t, forward, answer)
		r.line, r.command, r.refusal = r.line[:0], r.command[:0], ""
		return err
	}
	text := line[:bytes.LastIndexByte(line, '{')]
	r.command = append(r.command, text...)
	r.line = r.line[:0]
	c := splitReading(r.command)
	if r.refusal == "" {
		switch r.refusal, _ = c.ruling(); {
		case r.refusal != "":
		case bytes.HasSuffix(text, []byte("~")):
			r.refusal = notOneLine
		case l.size > maxReading-int64(len(r.command)):
			r.refusal = "NO [TOOBIG] literal too big"
		}
	}
	// A client that does not wait has sent the literal of its second login already.
	password := afterLogin([]byte(c.name)) != "" && l.size <= maxLiteral
	switch {
	case r.refusal != "" && l.sync && !password: // the client waits, and will not send it
		err := answer(c.answered(r.refusal))
		r.command, r.refusal = r.command[:0], ""
		return err
	case r.refusal != "":
		r.state, r.left = skipsLiteral, l.size
	default:
		r.state, r.left = readsLiteral, l.size
	}
	if l.sync {
		if err := answer([]byte("+ go ahead\r\n")); err != nil {
			return err
		}
	}
	if r.left == 0 {
		r.endLiteral()
	}
	return nil
}

// endLiteral makes a quoted string of a literal (RFC 9051 section 9 has both for every string).
func (r *imapReader) endLiteral() {
	if r.state == readsLiteral {
		if bytes.ContainsFunc(r.literal, isControl) {
			r.refusal = notOneLine
		}
		r.command = append(r.command, '"')
		for _, c := range r.literal {
			if c == '"' || c == '\\' {
				r.command = append(r.command, '\\')
			}
			r.command = append(r.command, c)
		}
		r.command = append(r.command, '"')
	}
	r.state, r.literal = readsLine, r.literal[:0]
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// endCommand passes on a command that is complete, or answers it.
func (r *imapReader) endCommand(t *imapTap, forward, answer func([]byte) error) error {
	if len(r.command) == 0 {
		return nil
	}
	if bytes.EqualFold(r.command, []byte("DONE")) && r.idle {
		r.idle = false
		t.facts.command(nil)
		return forward([]byte("DONE\r\n"))
	}
	c := splitReading(r.command)
	refusal, instead := c.ruling()
	if r.refusal != "" {
		refusal = r.refusal
	}
	if refusal != "" {
		return answer(c.answered(refusal))
	}
	if t.facts.command([]byte(c.name)) {
		t.facts.selected([]byte(c.rest))
	}
	r.idle = is([]byte(c.name), "IDLE")
	return forward([]byte(c.tag + " " + instead + c.rest + "\r\n"))
}

// reading is a command of a client that may only read.
type reading struct {
	tag   string // "" for none
	name  string
	sub   string // behind UID
	rest  string // with the space before it
	clean bool   // without control characters
}

func splitReading(command []byte) reading {
	c := reading{clean: !bytes.ContainsFunc(command, isControl)}
	tag, rest, _ := strings.Cut(string(command), " ")
	if !isTag([]byte(tag)) {
		return c
	}
	c.tag = tag
	word := func() (w string) {
		rest = strings.TrimLeft(rest, " ")
		end := strings.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		w, rest = rest[:end], rest[end:]
		return w
	}
	c.name = word()
	if is([]byte(c.name), "UID") {
		c.sub = word()
	}
	c.rest = rest
	return c
}

// ruling says with which words the command is refused, or under which name it is passed on.
func (c reading) ruling() (refusal, instead string) {
	if c.tag == "" || !c.clean || !isWord(c.name) || c.sub != "" && !isWord(c.sub) {
		return "BAD that is no command", ""
	}
	refusal, instead = readOnly([]byte(c.name), []byte(c.sub))
	switch {
	case instead != "":
	case c.sub != "":
		instead = c.name + " " + c.sub
	default:
		instead = c.name
	}
	return refusal, instead
}

// isWord says whether a command's name has letters only: those that Unicode takes for others are not among them.
func isWord(name string) bool {
	for i := range len(name) {
		if c := name[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return name != ""
}

func (c reading) answered(with string) []byte {
	tag := c.tag
	if tag == "" {
		tag = "*"
	}
	return []byte(tag + " " + with + "\r\n")
}
