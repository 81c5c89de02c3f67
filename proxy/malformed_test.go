package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// oddity is something odd that a server says, and where a line of ours could stand in it.
type oddity struct {
	name       string
	bytes      string
	boundaries []int // ends of whole responses
}

func (o oddity) saysBye() bool {
	from := 0
	for _, b := range o.boundaries {
		if strings.HasPrefix(o.bytes[from:], "* BYE ") {
			return true
		}
		from = b
	}
	return false
}

func oddities(t testing.TB) []oddity {
	a, err := txtar.ParseFile("testdata/malformed.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []oddity
	for _, f := range a.Files {
		o := oddity{name: f.Name}
		lines := strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")
		for i, line := range lines {
			goesOn := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "| ")
			line, _ = strings.CutPrefix(line, "| ")
			o.bytes += unescape(t, line)
			if bare := strings.HasSuffix(o.bytes, "\n"); !bare {
				o.bytes += "\r\n"
			}
			if !goesOn {
				o.boundaries = append(o.boundaries, len(o.bytes))
			}
		}
		all = append(all, o)
	}
	if len(all) < 30 {
		t.Fatalf("only %d oddities", len(all))
	}
	return all
}

// unescape reads \t, \0, \r, \n and \xHH; another backslash is IMAP's.
func unescape(t testing.TB, s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case 't':
			b.WriteByte('\t')
		case '0':
			b.WriteByte(0)
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		case 'x':
			n, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			b.WriteByte('\\')
			continue
		}
		i++
	}
	return b.String()
}

// pieces cuts s at random places.
func pieces(rng *rand.Rand, s string) (all []string) {
	most := []int{1, 3, 20, len(s) + 1}[rng.IntN(4)]
	for len(s) > 0 {
		n := min(len(s), 1+rng.IntN(most))
		all = append(all, s[:n])
		s = s[n:]
	}
	return all
}

// The tap finds every place between responses, and no other, however the bytes come.
func TestBoundariesOfOddities(t *testing.T) {
	t.Parallel()
	all := oddities(t)
	rng := rand.New(rand.NewPCG(3, 4))
	check := func(t *testing.T, name, whole string, boundaries []int) {
		tap := newIMAPTap(func(string) {})
		at := 0
		for _, p := range pieces(rng, whole) {
			last := tap.down([]byte(p))
			want := -1
			for _, b := range boundaries {
				if b > at && b <= at+len(p) {
					want = b - at
				}
			}
			if last != want {
				t.Fatalf("%s: in %q after %q the last boundary is %d, want %d", name, p, whole[:at], last, want)
			}
			at += len(p)
		}
	}
	for _, o := range all {
		for range 200 {
			check(t, o.name, o.bytes, o.boundaries)
		}
	}
	for range 300 {
		whole, boundaries, names := "", []int(nil), ""
		for range 5 {
			o := all[rng.IntN(len(all))]
			for _, b := range o.boundaries {
				boundaries = append(boundaries, len(whole)+b)
			}
			whole, names = whole+o.bytes, names+" / "+o.name
		}
		check(t, names, whole, boundaries)
	}
}

// reopen forgets what a server has asked for.
func reopen(g *gates) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.byMailbox {
		m.closed = time.Time{}
	}
}

// What a server says reaches the client byte for byte, and the session knows where it is afterwards: an
// answer of ours, a literal that waits, and the end come at their places.
func TestOddities(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.PerMailbox = 1000 })
	for i, o := range oddities(t) {
		t.Run(o.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, uint64(i)))
			for round := range 4 {
				reopen(&p.gates)
				c, up := p.login(t)
				sent := make(chan error, 1)
				go func() {
					for _, piece := range pieces(rng, o.bytes) {
						if _, err := io.WriteString(up, piece); err != nil {
							sent <- err
							return
						}
						if round == 0 {
							time.Sleep(time.Millisecond) // lets pieces stay pieces on their way
						}
					}
					sent <- nil
				}()
				got := make([]byte, len(o.bytes))
				if n, err := io.ReadFull(c.br, got); err != nil || string(got) != o.bytes {
					t.Fatalf("got %q, %v, want %q", got[:n], err, o.bytes)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
				c.send("x LOGIN a b\r\ny APPEND INBOX {3}\r\n")
				if got := c.line(); got != "x BAD already logged in" {
					t.Fatalf("a second LOGIN hears %q", got)
				}
				if got := up.line(t); got != "y APPEND INBOX {3}" {
					t.Fatalf("upstream got %q", got)
				}
				up.send("+ go")
				c.expect("+ go")
				c.send("abc\r\nz LOGIN a b\r\n")
				if got := up.line(t); got != "abc" {
					t.Fatalf("upstream got %q", got)
				}
				if got := c.line(); got != "z BAD already logged in" {
					t.Fatalf("a LOGIN behind a literal hears %q", got)
				}
				up.Close()
				rest, err := io.ReadAll(c.br)
				if bye := o.saysBye(); err != nil || bye != (len(rest) == 0) || !bye && !strings.HasPrefix(string(rest), "* BYE ") {
					t.Fatalf("at the end the client got %q, %v", rest, err)
				}
				c.Close()
			}
		})
	}
}

// A server that counts a literal wrongly is passed on as it is, too.
func TestMiscountedLiterals(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	for _, off := range []int{-3, -1, 1, 40, 1 << 40} {
		body := "line one\r\n* BYE\r\n+ x\r\nline four"
		stream := fmt.Sprintf("* 1 FETCH (BODY[] {%d}\r\n%s)\r\na1 OK done\r\n* 2 EXISTS\r\na2 OK done\r\n", len(body)+off, body)
		c, up := p.login(t)
		io.WriteString(up, stream)
		up.Close()
		got, err := io.ReadAll(c.br)
		if rest, ok := strings.CutPrefix(string(got), stream); err != nil || !ok || rest != "" && !strings.HasPrefix(rest, "* BYE [UNAVAILABLE] ") {
			t.Errorf("a literal that is %d octets off: got %q, %v", off, got, err)
		}
		c.Close()
	}
}

// A server's words before and at login.
func TestOddGreetings(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	for _, greeting := range []string{
		"* OK The Microsoft Exchange IMAP4 service is ready. [TQBOADIAUABSADIAMQBDAEEAMAAxADQANAAuAG4AYQBtAHAAcgBkADIAMQAuAHAAcgBvAGQALgBvAHUAdABsAG8AbwBrAC4AYwBvAG0A]",
		"* OK The Microsoft Exchange IMAP4 service is ready. (BACKENDAUTHENTICATE) [QQBC]",
		"* OK Microsoft Exchange IMAP4 service ready. 0a1b (tcpproxy/15.21.0406.000 BACKENDAUTHENTICATE) [QQBC]",
		"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] Microsoft Exchange {5}",
		"* OK",
		"* ok ready",
	} {
		p.forgetAll()
		c := p.dial(t)
		c.expect("* OK")
		c.send(loginLine)
		up := <-p.upstream.conns
		up.send(greeting)
		for {
			tag, rest, _ := strings.Cut(up.line(t), " ")
			name, _, _ := strings.Cut(rest, " ")
			switch name {
			case "CAPABILITY":
				up.send("* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR IDLE NAMESPACE LITERAL+", tag+" OK CAPABILITY completed.")
			case "NAMESPACE":
				up.send(`* NAMESPACE (("" "/")) NIL NIL `, "+ nobody needs this", tag+" OK NAMESPACE completed.")
			default:
				up.send("* 3 EXISTS", tag+" OK AUTHENTICATE completed.")
			}
			if name == "NAMESPACE" || name == "" {
				break
			}
		}
		if got := c.line(); got != "* 3 EXISTS" {
			t.Errorf("%.60q: the client got %q", greeting, got)
		}
		c.expect("a OK")
		up.Close()
		c.Close()
	}
}
