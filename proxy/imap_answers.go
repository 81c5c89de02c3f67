package proxy

import "bytes"

// answerHead is how much of a line's beginning has to be known: a tag, or "* BYE".
const answerHead = 128

// imapAnswers follows the upstream's responses. A server that miscounts a literal makes it wrong about
// boundaries and go-aheads; the bytes pass all the same.
type imapAnswers struct {
	left int64 // octets of a literal still to come
	mid  bool  // within a line that began in an earlier read
	rest bool  // the line goes on with a response after a literal
	head []byte
	tail tail
}

// see looks at b and returns how many of its bytes end with a complete response, -1 for none.
func (a *imapAnswers) see(t *imapTap, b []byte) int {
	last := -1
	for i := 0; i < len(b); {
		if a.left > 0 {
			n := min(a.left, int64(len(b)-i))
			a.left -= n
			i += int(n)
			continue
		}
		end := bytes.IndexByte(b[i:], '\n')
		if end < 0 {
			a.keep(b[i:])
			break
		}
		line := b[i : i+end+1]
		i += end + 1
		if !a.endOfLine(t, line) {
			last = i
		}
	}
	return last
}

// keep remembers what of an incomplete line may matter.
func (a *imapAnswers) keep(part []byte) {
	if room := answerHead - len(a.head); room > 0 && !a.rest {
		a.head = append(a.head, part[:min(room, len(part))]...)
	}
	a.tail.add(part)
	a.mid = true
}

// endOfLine takes the (last part of a) line and says whether the response goes on with a literal.
func (a *imapAnswers) endOfLine(t *imapTap, line []byte) bool {
	head := line
	if a.mid {
		a.head = append(a.head, line[:min(max(answerHead-len(a.head), 0), len(line))]...)
		head = a.head
	}
	first := !a.rest
	status := ""
	if first {
		t.answered(head)
		if status = statusOf(head); status == "NO" || status == "BAD" {
			t.refused(trimmed(head))
		}
	}
	l, ok := a.tail.literalAtEnd(line)
	ok = ok && status == ""
	a.left, a.rest, a.mid = 0, ok, false
	a.head = a.head[:0]
	if ok {
		a.left = l.size
	}
	return ok
}

// statusOf returns the status of a response that ends in text for people, where {5} announces nothing; ""
// for other responses.
func statusOf(head []byte) string {
	if len(head) > 0 && head[0] == '+' {
		return "+"
	}
	_, rest, _ := bytes.Cut(head, []byte(" "))
	word, _, _ := bytes.Cut(trimEOL(rest), []byte(" "))
	for _, status := range [...]string{"OK", "NO", "BAD", "BYE", "PREAUTH"} {
		if is(word, status) {
			return status
		}
	}
	return ""
}
