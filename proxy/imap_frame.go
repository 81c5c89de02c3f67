package proxy

import "bytes"

// In IMAP a line that ends in {n} is followed by n octets that are no line (a literal, RFC 9051 section
// 4.3), and then by the rest of the same command or response.

// literal is what a line announces at its end.
type literal struct {
	size int64
	sync bool // the client waits for the server's go-ahead
}

// literalTail is how much of a line's end has to be known: "~{", 19 digits, "+}" and CR.
const literalTail = 24

// literalAt reads the announcement at the end of a line (with or without its CR LF). Of a long line its
// last literalTail bytes are enough.
func literalAt(line []byte) (literal, bool) {
	line = trimEOL(line)
	if len(line) < 3 || line[len(line)-1] != '}' {
		return literal{}, false
	}
	open := bytes.LastIndexByte(line, '{')
	if open < 0 {
		return literal{}, false
	}
	digits := line[open+1 : len(line)-1]
	l := literal{sync: true}
	if n := len(digits); n > 0 && digits[n-1] == '+' { // RFC 7888
		digits, l.sync = digits[:n-1], false
	}
	if len(digits) == 0 || len(digits) > 18 {
		return literal{}, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return literal{}, false
		}
		l.size = l.size*10 + int64(d-'0')
	}
	return l, true
}

// tail keeps the last bytes of a line that spans several reads.
type tail struct {
	n int
	b [literalTail]byte
}

func (t *tail) add(p []byte) {
	if len(p) >= len(t.b) {
		t.n = copy(t.b[:], p[len(p)-len(t.b):])
		return
	}
	if over := t.n + len(p) - len(t.b); over > 0 {
		t.n = copy(t.b[:], t.b[over:t.n])
	}
	t.n += copy(t.b[t.n:], p)
}

// literalAtEnd reads the announcement of a line whose last part is p.
func (t *tail) literalAtEnd(p []byte) (literal, bool) {
	if t.n == 0 {
		return literalAt(p)
	}
	t.add(p)
	l, ok := literalAt(t.b[:t.n])
	t.n = 0
	return l, ok
}
