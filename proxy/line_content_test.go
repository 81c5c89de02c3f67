package proxy

import (
	"bytes"
	"strings"
	"testing"
)

// The end of a message is found at the same place however the message arrives. The line end before it may be
// that of the command.
func FuzzEndOfContent(f *testing.F) {
	f.Add([]byte(".\r\nQUIT\r\n"), uint16(1))
	f.Add([]byte("a.b\r\n..\r\n.\r\r\n.\n.\r\n\r\n.\r\nQUIT\r\n"), uint16(3))
	f.Add([]byte(strings.Repeat("aGFs", 19)+"\r\n\r\n.\r\n"), uint16(255))
	f.Add([]byte(strings.Repeat("....", 19)+"\r\n\n.\r\n.\r.\r\n"), uint16(40))
	for n := range 2 * stretch { // the end behind text with dots, wherever it stands among the words that are looked at
		f.Add([]byte("a."+strings.Repeat("b", n)+"\r\n.\r\nQUIT\r\n"+strings.Repeat("c", 64)), uint16(5000))
	}
	f.Fuzz(func(t *testing.T, b []byte, piece uint16) {
		want, wantEnded := len(b), false
		if end := bytes.Index(append([]byte("\r\n"), b...), []byte(endOfContent)); end >= 0 {
			want, wantEnded = end+len(".\r\n"), true
		}
		tap := newLineTap(nil, nil)
		tap.state, tap.end = inContent, 2
		got := 0
		for rest := b; len(rest) > 0 && tap.state == inContent; {
			part := rest[:min(len(rest), int(piece)+1)]
			n := tap.content(part)
			if n < len(part) && tap.state == inContent {
				t.Fatalf("%d of %d bytes of an open message", n, len(part))
			}
			got += n
			rest = rest[n:]
		}
		if ended := tap.state != inContent; got != want || ended != wantEnded {
			t.Fatalf("%q in pieces of %d: %d bytes, ended %v; want %d, %v", b, int(piece)+1, got, ended, want, wantEnded)
		}
	})
}

func BenchmarkContent(b *testing.B) {
	for name, line := range map[string]string{
		"base64": strings.Repeat("aGFs", 19) + "\r\n",
		"prose":  "Mail has lines of up to seventy-eight characters, and this is one of these.\r\n",
		"dots":   "a" + strings.Repeat(".", 75) + "\r\n",
		"blank":  "\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			text := bytes.Repeat([]byte(line), readSize/len(line))
			tap := newLineTap(nil, nil)
			tap.state = inContent
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tap.content(text)
			}
		})
	}
}
