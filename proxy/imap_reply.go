package proxy

import (
	"bytes"
	"strings"
)

// imapReply is one response of an upstream.
type imapReply struct {
	tag  string // "*", "+", ours, or what stands first in a line that is no response
	word string // behind the tag, upper case: OK, NO, BAD, BYE, PREAUTH, CAPABILITY …
	code string // behind a status, without its brackets
	text string // the rest
	raw  []byte // all of it, with CR LF and literals
}

// readReply takes the next response; literals in it are bounded.
func readReply(w *wire) (imapReply, error) {
	line, err := w.readLine()
	if err != nil {
		return imapReply{}, err
	}
	r := parseReply(line)
	r.raw = append(bytes.Clone(line), "\r\n"...)
	if r.isStatus() || r.tag == "+" {
		return r, nil
	}
	for {
		l, ok := literalAt(line)
		if !ok {
			return r, nil
		}
		if l.size > maxLiteral || len(r.raw) > 4*maxLiteral {
			return r, errTalksTooMuch
		}
		data, err := w.readN(int(l.size))
		if err != nil {
			return r, err
		}
		r.raw = append(r.raw, data...)
		if line, err = w.readLine(); err != nil {
			return r, err
		}
		r.raw = append(append(r.raw, line...), "\r\n"...)
	}
}

func parseReply(line []byte) imapReply {
	tag, rest, _ := strings.Cut(string(line), " ")
	if tag == "+" {
		return imapReply{tag: tag, text: rest}
	}
	word, text, _ := strings.Cut(rest, " ")
	r := imapReply{tag: tag, word: strings.ToUpper(word), text: text}
	if after, ok := strings.CutPrefix(text, "["); ok && r.isStatus() {
		// A greeting of Exchange ends in a bracket, but only a code begins with one.
		if code, rest, ok := strings.Cut(after, "]"); ok {
			r.code, r.text = code, strings.TrimPrefix(rest, " ")
		}
	}
	return r
}

func (r imapReply) isStatus() bool {
	switch r.word {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return false
}

// capabilities returns the list that a response carries, "" when it carries none.
func (r imapReply) capabilities() string {
	if r.tag == "*" && r.word == "CAPABILITY" {
		return strings.TrimSpace(r.text)
	}
	if name, list, ok := strings.Cut(r.code, " "); ok && strings.EqualFold(name, "CAPABILITY") {
		return strings.TrimSpace(list)
	}
	return ""
}

// hasCapability looks for a capability in a list, without regard to case.
func hasCapability(list, name string) bool {
	for c := range strings.FieldsSeq(list) {
		if strings.EqualFold(c, name) {
			return true
		}
	}
	return false
}

// forClient leaves out what the relay does not let pass: COMPRESS would hide a second LOGIN from it, and
// UNAUTHENTICATE would make room for one.
func forClient(list string) string {
	kept := make([]string, 0, 32)
	for c := range strings.FieldsSeq(list) {
		c = responseText(c)
		name, _, _ := strings.Cut(strings.ToUpper(c), "=")
		if name != "COMPRESS" && name != "UNAUTHENTICATE" {
			kept = append(kept, c)
		}
	}
	return strings.Join(kept, " ")
}
