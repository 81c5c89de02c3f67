package proxy

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"postern/auth"
)

// memConn is a connection whose other side has said all that it will say.
type memConn struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *memConn) Read(p []byte) (int, error)     { return c.in.Read(p) }
func (c *memConn) Write(p []byte) (int, error)    { return c.out.Write(p) }
func (*memConn) Close() error                     { return nil }
func (*memConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*memConn) SetDeadline(time.Time) error      { return nil }
func (*memConn) SetReadDeadline(time.Time) error  { return nil }
func (*memConn) SetWriteDeadline(time.Time) error { return nil }

// seeds are the client's or the server's side of the conversations.
func seeds(f *testing.F, protocol, side string) {
	files, _ := filepath.Glob("testdata/" + protocol + "/*.txtar")
	if len(files) == 0 {
		f.Fatal("no conversations to seed from")
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var b strings.Builder
		for line := range strings.Lines(string(a.Files[0].Data)) {
			if text, ok := strings.CutPrefix(line, side+" "); ok {
				b.WriteString(strings.TrimSuffix(text, "\n") + "\r\n")
			}
		}
		f.Add([]byte(b.String()))
	}
}

func FuzzIMAPFront(f *testing.F) {
	f.Add([]byte("a LOGIN {3}\r\nann {2+}\r\npw\r\nb SELECT x\r\n"))
	fuzzFront(f, IMAP())
}

func FuzzSMTPFront(f *testing.F) { fuzzFront(f, SMTP()) }
func FuzzPOP3Front(f *testing.F) { fuzzFront(f, POP3()) }

// fuzzFront lets a client say anything: the front ends, and what it hands over is what it has not read.
func fuzzFront(f *testing.F, p Protocol) {
	seeds(f, p.name(), "C:")
	f.Fuzz(func(t *testing.T, in []byte) {
		conn := &memConn{in: bytes.NewReader(in)}
		w := newWire(conn)
		front := p.client(w, frontOptions{badCommands: 20, note: func(string, ...any) {}})
		if _, err := front.login(); err != nil {
			w.release()
			return
		}
		checkHandOver(t, in, w, conn)
	})
}

func checkHandOver(t *testing.T, in []byte, w *wire, conn *memConn) {
	_, early := w.detach()
	rest, _ := io.ReadAll(conn.in)
	if left := append(early, rest...); !bytes.HasSuffix(in, left) {
		t.Errorf("what is handed over is not the end of what came: %q", left)
	}
}

func FuzzIMAPUpstream(f *testing.F) {
	f.Add([]byte("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\r\nP1 OK done\r\nP3 OK\r\n* NAMESPACE NIL NIL NIL\r\nP2 OK x\r\n* 3 EXISTS\r\n"))
	fuzzUpstream(f, IMAP())
}

func FuzzSMTPUpstream(f *testing.F) { fuzzUpstream(f, SMTP()) }
func FuzzPOP3Upstream(f *testing.F) { fuzzUpstream(f, POP3()) }

// fuzzUpstream lets a server say anything.
func fuzzUpstream(f *testing.F, p Protocol) {
	seeds(f, p.name(), "U>")
	f.Fuzz(func(t *testing.T, in []byte) {
		conn := &memConn{in: bytes.NewReader(in)}
		w := newWire(conn)
		b, err := p.begin(w, upstreamOptions{server: "x:993", startTLS: func() error { return nil }})
		var answer welcome
		if err == nil {
			answer, err = b.login(credentials{mailbox: "ann@example.com", token: auth.NewSecret("t")})
		}
		if err != nil {
			w.release()
			return
		}
		if strings.ContainsAny(answer.text+forClient(answer.after), "\r\n\x00") {
			t.Errorf("text %q or capabilities %q would end the line", answer.text, answer.after)
		}
		checkHandOver(t, in, w, conn)
	})
}

// FuzzIMAPTap sends the same bytes whole and in pieces of several sizes. What goes upstream must be the
// same, and a parser of its own, simpler than the tap, must find no forbidden command in it.
func FuzzIMAPTap(f *testing.F) {
	seeds(f, "imap", "C:")
	f.Add([]byte("b APPEND x {9}\r\nc LOGIN u\r\nc LOGIN u p\r\nd LOGIN {2+}\r\nuu {2+}\r\npp\r\ne NOOP\r\n"))
	f.Add([]byte("{15+}\r\nb LOGIN user pw\r\nDONE {5+}\r\nc {16+}\r\nd LOGIN user pw\r\ne APPEND x {17-}\r\nf LOGIN user pw\r\n"))
	f.Add([]byte("a IDLE\r\nb APPEND x {17}\r\nc LOGIN user pw\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var first []byte
		for i, piece := range []int{max(1, len(in)), 1, 3, 7} {
			out := throughTap(in, piece)
			if i == 0 {
				first = out
			} else if !bytes.Equal(out, first) {
				t.Fatalf("in pieces of %d the upstream gets %q, whole %q", piece, out, first)
			}
		}
		for _, name := range commandNames(first) {
			if afterLogin([]byte(name)) != "" {
				t.Fatalf("%s reached the upstream: %q from %q", name, first, in)
			}
		}
	})
}

// throughTap plays an upstream that agrees to every literal.
func throughTap(in []byte, piece int) []byte {
	tap := newIMAPTap(func(string) {})
	var out []byte
	forward := func(p []byte) error {
		out = append(out, p...)
		tap.down([]byte("+ go\r\n"))
		return nil
	}
	for len(in) > 0 {
		n := min(piece, len(in))
		if tap.up(in[:n], forward, func([]byte) error { return nil }) != nil {
			break
		}
		in = in[n:]
	}
	return out
}

// commandNames reads a stream of complete commands, line by line.
func commandNames(stream []byte) (names []string) {
	fresh, literals := true, false
	for len(stream) > 0 {
		line, rest, whole := bytes.Cut(stream, []byte("\n"))
		if fresh {
			fields := bytes.FieldsFunc(line, func(r rune) bool { return r <= ' ' })
			literals = len(fields) > 1 && !bytes.Contains(fields[1], []byte("{"))
			if len(fields) > 1 {
				names = append(names, string(fields[1]))
			}
		}
		l, more := literalAt(line)
		more = more && literals
		fresh = !more
		if more {
			rest = rest[min(int(min(l.size, 1<<30)), len(rest)):]
		}
		if !whole {
			break
		}
		stream = rest
	}
	return names
}

// FuzzSMTPTap is FuzzIMAPTap for commands that are lines, with messages and octets between.
func FuzzSMTPTap(f *testing.F) {
	seeds(f, "smtp", "C:")
	f.Add([]byte("DATA\r\n.\r\nAUTH PLAIN x\r\nDATA\r\nAUTH LOGIN\r\n.\r\nBDAT 5\r\nAUTH AUTH x\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var first []byte
		for i, piece := range []int{max(1, len(in)), 1, 3, 7} {
			out := throughLineTap(in, piece)
			if i == 0 {
				first = out
			} else if !bytes.Equal(out, first) {
				t.Fatalf("in pieces of %d the upstream gets %q, whole %q", piece, out, first)
			}
		}
		for _, verb := range smtpVerbs(first) {
			if strings.EqualFold(verb, "AUTH") {
				t.Fatalf("AUTH reached the upstream: %q from %q", first, in)
			}
		}
	})
}

// throughLineTap plays a server that agrees to every message.
func throughLineTap(in []byte, piece int) []byte {
	tap := newLineTap(smtpAfterLogin, smtpGoodbye)
	var out []byte
	forward := func(p []byte) error {
		out = append(out, p...)
		for tap.replied < tap.asked {
			tap.down([]byte("354 go\r\n"))
		}
		return nil
	}
	for len(in) > 0 {
		n := min(piece, len(in))
		if tap.up(in[:n], forward, nil) != nil {
			break
		}
		in = in[n:]
	}
	return out
}

// smtpVerbs reads a stream of commands to a server that agrees to every message.
func smtpVerbs(stream []byte) (verbs []string) {
	for len(stream) > 0 {
		line, rest, _ := bytes.Cut(stream, []byte("\n"))
		verb := ""
		if fields := bytes.FieldsFunc(line, func(r rune) bool { return r <= ' ' }); len(fields) > 0 {
			verb = strings.ToUpper(string(fields[0]))
		}
		verbs = append(verbs, verb)
		switch verb {
		case "DATA":
			_, after, _ := bytes.Cut(append([]byte("\r\n"), rest...), []byte("\r\n.\r\n"))
			rest = after
		case "BDAT":
			rest = rest[min(int(min(bdatSize(line), 1<<30)), len(rest)):]
		}
		stream = rest
	}
	return verbs
}
