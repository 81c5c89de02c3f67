package proxy

import (
	"bytes"
	"encoding/binary"
)

// endOfContent ends a message (RFC 5321 section 4.1.1.4).
const endOfContent = "\r\n.\r\n"

// content returns how many bytes of b belong to the message.
func (t *lineTap) content(b []byte) int {
	for i := 0; i < len(b); i++ {
		if t.end == 0 {
			if i += t.skip(b[i:]); i == len(b) {
				break
			}
		}
		switch c := b[i]; {
		case c == endOfContent[t.end]:
			if t.end++; t.end == len(endOfContent) {
				t.state, t.end = atVerb, 0
				t.count() // the message itself gets a reply
				return i + 1
			}
		case c == '\r':
			t.end = 1
		default:
			t.end = 0
		}
	}
	return len(b)
}

// stretch is how far a dot makes us expect further dots.
const stretch = 1 << 10

// skip goes to the first dot that begins a line, or to the end of b, and notes what is before it. It looks for
// dots and not for line ends: what makes a message large is base64, which has lines but no dots. In text, which
// has dots at every turn, it would stop too often, and looks for both at once.
func (t *lineTap) skip(b []byte) int {
	for i := 0; ; i++ {
		n := bytes.IndexByte(b[i:], '.')
		if n < 0 {
			break
		}
		if i += n; bytes.HasSuffix(b[:i], []byte(endOfContent[:2])) {
			t.end = 2
			return i
		}
		i += withoutLineDot(b[i:min(i+stretch, len(b))])
	}
	for t.end = 2; !bytes.HasSuffix(b, []byte(endOfContent[:t.end])); t.end-- {
	}
	return len(b)
}

// withoutLineDot returns a number of bytes behind b[0] of which none is a dot at the beginning of a line. It may
// be less than the most.
func withoutLineDot(b []byte) int {
	i := 0
	for ; len(b)-i > 32; i += 32 {
		p := b[i : i+33]
		if (lineDot(p)|lineDot(p[8:])|lineDot(p[16:])|lineDot(p[24:]))&(0x80*everyByte) != 0 {
			break
		}
	}
	return i
}

const everyByte = 0x0101010101010101

// lineDot looks at the eight pairs in the first nine bytes of p. Unless one is a line feed and a dot, no byte of
// the result has its highest bit: a byte gets it only by taking 1 from zero.
func lineDot(p []byte) uint64 {
	first := binary.LittleEndian.Uint64(p) ^ '\n'*everyByte
	second := binary.LittleEndian.Uint64(p[1:]) ^ '.'*everyByte
	return ((first | second) - everyByte) &^ (first | second)
}
