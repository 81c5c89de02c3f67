package proxy

import (
	"bytes"
	"errors"
	"strings"
)

// imapCommand is one command as the client sent it before login: text with literals between.
type imapCommand struct {
	tag  string
	name string // upper case
	args []imapPart
}

// imapPart is text up to a literal's announcement (not included), and the literal if there is one.
type imapPart struct {
	text    []byte
	literal []byte
	has     bool
}

var (
	// errTooBig means that a command was refused for its size, and answered.
	errTooBig = errors.New("literal too big")
	// errNoCommand means that a line was no command, and answered.
	errNoCommand = errors.New("no command")
)

// readCommand reads the next command with its literals, agreeing to each. A command that can not be taken
// is answered here; the connection stays in step or errOutOfStep ends it.
func (f *imapFront) readCommand() (*imapCommand, error) {
	line, err := f.w.readLine()
	if err != nil {
		return nil, err
	}
	if bytes.ContainsAny(line, "\x00\r") {
		return nil, errOutOfStep
	}
	c := &imapCommand{}
	tag, rest, _ := bytes.Cut(line, []byte(" "))
	if isHTTP(tag) {
		return nil, errOutOfStep
	}
	if !isTag(tag) {
		if err := f.w.writeLine("* BAD a command begins with a tag"); err != nil {
			return nil, err
		}
		return nil, errNoCommand
	}
	name, rest, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
	c.tag, c.name = string(tag), strings.ToUpper(string(name))
	total := 0 // octets of literals, and of what stands between them
	for {
		l, ok := literalAt(rest)
		if !ok && len(c.args) == 0 {
			// The name itself can end in an announcement only in a malformed command; its data must not be taken for commands.
			if l, ok = literalAt(name); ok && !l.sync {
				return nil, errOutOfStep
			}
			ok = false
		}
		if !ok {
			c.args = append(c.args, imapPart{text: bytes.Clone(rest)})
			return c, nil
		}
		total += int(min(l.size, maxLiteral+1))
		if total > maxLiteral {
			return nil, f.tooBig(c.tag, l)
		}
		text := bytes.Clone(rest[:bytes.LastIndexByte(rest, '{')])
		if l.sync {
			if err := f.w.writeLine("+ go ahead"); err != nil {
				return nil, err
			}
		}
		data, err := f.w.readN(int(l.size))
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, imapPart{text: text, literal: data, has: true})
		if rest, err = f.w.readLine(); err != nil {
			return nil, err
		}
		total += len(rest)
		if bytes.ContainsAny(rest, "\x00\r") || len(c.args) > 64 || total > maxLiteral {
			return nil, errOutOfStep
		}
	}
}

// tooBig refuses a literal. One that the client sends without being asked would have to be read to its end.
func (f *imapFront) tooBig(tag string, l literal) error {
	if !l.sync {
		return errOutOfStep
	}
	if err := f.w.writeLine(tag + " NO [TOOBIG] literal too big before login"); err != nil {
		return err
	}
	return errTooBig
}

// isHTTP recognises a web browser: a page in it must not be able to talk to us line by line.
func isHTTP(tag []byte) bool {
	switch string(tag) {
	case "GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT":
		return true
	}
	return false
}

// isTag follows RFC 9051 section 9: any ASTRING-CHAR but "+".
func isTag(tag []byte) bool {
	if len(tag) == 0 || len(tag) > 64 {
		return false
	}
	for _, c := range tag {
		if c <= ' ' || c > '~' || strings.IndexByte(`(){%*"\+`, c) >= 0 {
			return false
		}
	}
	return true
}

// imapArgs is what is left of a command's arguments.
type imapArgs struct {
	parts []imapPart
}

func (c *imapCommand) arguments() *imapArgs {
	a := &imapArgs{parts: c.args}
	a.skipSpace()
	return a
}

func (a *imapArgs) skipSpace() {
	if len(a.parts) > 0 {
		a.parts[0].text = bytes.TrimLeft(a.parts[0].text, " ")
	}
}

// done says whether nothing is left.
func (a *imapArgs) done() bool {
	return len(a.parts) == 0 || len(a.parts) == 1 && len(a.parts[0].text) == 0 && !a.parts[0].has
}

// astring takes an atom, a quoted string or a literal (RFC 9051 section 9), as widely as clients write
// them: any byte but space in an atom, UTF-8 in a quoted string (curl, mutt, mbsync), and there a
// backslash that stands before an ordinary character for itself (imapfilter).
func (a *imapArgs) astring() (string, bool) {
	if len(a.parts) == 0 {
		return "", false
	}
	p := &a.parts[0]
	var value string
	switch {
	case len(p.text) == 0 && p.has:
		value = string(p.literal)
		a.parts = a.parts[1:]
	case len(p.text) == 0:
		return "", false
	case p.text[0] == '"':
		unquoted, rest, ok := unquote(p.text)
		if !ok {
			return "", false
		}
		value, p.text = unquoted, rest
	default:
		end := bytes.IndexByte(p.text, ' ')
		if end < 0 {
			end = len(p.text)
		}
		value, p.text = string(p.text[:end]), p.text[end:]
		if p.has && len(p.text) == 0 { // an atom runs into a literal
			return "", false
		}
	}
	if len(a.parts) > 0 && len(a.parts[0].text) > 0 && a.parts[0].text[0] != ' ' {
		return "", false
	}
	a.skipSpace()
	return value, true
}

func unquote(s []byte) (value string, rest []byte, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", nil, false
}
