package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// realServer is go-imap's server with some mail, to which everybody is logged in. It loses step after
// literals that it refuses and has views of its own of odd lines, as servers do.
type realServer struct {
	conns chan net.Conn
	eye   *bufio.ReadWriter // a session that only looks
}

var realMail = sync.OnceValue(func() *realServer {
	user := imapmemserver.NewUser("ann", "")
	for _, folder := range []string{"INBOX", "Archive", "a"} {
		user.Create(folder, nil)
		user.Subscribe(folder)
		for i := range 3 {
			body := fmt.Sprintf("Subject: %d in %s\r\n\r\nbody\r\n", i, folder)
			user.Append(folder, struct {
				*strings.Reader
			}{strings.NewReader(body)}, &goimap.AppendOptions{Time: time.Unix(1_700_000_000, 0), Flags: []goimap.Flag{goimap.FlagDeleted}[:i%2]})
		}
	}
	s := &realServer{conns: make(chan net.Conn)}
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &examiningSession{UserSession: imapmemserver.NewUserSession(user)}, &imapserver.GreetingData{PreAuth: true}, nil
		},
		Caps:   goimap.CapSet{goimap.CapIMAP4rev1: {}, goimap.CapIMAP4rev2: {}, goimap.CapLiteralPlus: {}, goimap.CapMove: {}},
		Logger: log.New(io.Discard, "", 0),
	})
	go server.Serve(s)
	conn, _ := s.connect()
	s.eye = bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	s.eye.ReadString('\n')
	return s
})

// examiningSession knows EXAMINE, which go-imap's mailbox takes for SELECT: reading sets no flag, and CLOSE
// removes nothing (RFC 9051 sections 6.3.3 and 6.4.1). Whatever else a command changes, it changes.
type examiningSession struct {
	*imapmemserver.UserSession
	examines bool
}

func (s *examiningSession) Select(name string, o *goimap.SelectOptions) (*goimap.SelectData, error) {
	data, err := s.UserSession.Select(name, o)
	s.examines = err == nil && o.ReadOnly
	return data, err
}

func (s *examiningSession) Fetch(w *imapserver.FetchWriter, set goimap.NumSet, o *goimap.FetchOptions) error {
	for _, section := range o.BodySection {
		section.Peek = section.Peek || s.examines
	}
	for _, section := range o.BinarySection {
		section.Peek = section.Peek || s.examines
	}
	return s.UserSession.Fetch(w, set, o)
}

func (s *examiningSession) Expunge(w *imapserver.ExpungeWriter, set *goimap.UIDSet) error {
	if s.examines {
		return nil
	}
	return s.UserSession.Expunge(w, set)
}

func (s *realServer) Accept() (net.Conn, error) { return <-s.conns, nil }
func (s *realServer) Close() error              { return nil }
func (s *realServer) Addr() net.Addr            { return &net.TCPAddr{} }

// connect opens a session; over is closed when the server has ended it.
func (s *realServer) connect() (conn net.Conn, over chan struct{}) {
	client, server := net.Pipe()
	over = make(chan struct{})
	s.conns <- &toldConn{Conn: server, close: sync.OnceFunc(func() { close(over) })}
	return client, over
}

// toldConn tells that it was closed. A write to it never fails: go-imap's mailbox (beta.8) stays locked for good
// when a FETCH meets an error.
type toldConn struct {
	net.Conn
	close func()
}

func (c *toldConn) Write(p []byte) (int, error) {
	c.Conn.Write(p)
	return len(p), nil
}

func (c *toldConn) SetWriteDeadline(time.Time) error { return nil }

func (c *toldConn) Close() error {
	defer c.close()
	return c.Conn.Close()
}

// state is everything that a session could have changed.
func (s *realServer) state() string {
	ask := func(command string) string {
		s.eye.WriteString("eye " + command + "\r\n")
		s.eye.Flush()
		var all strings.Builder
		for {
			line, err := s.eye.ReadString('\n')
			if err != nil || strings.HasPrefix(line, "eye ") {
				return all.String()
			}
			all.WriteString(line)
		}
	}
	all := ask(`LIST "" "*"`) + ask(`LSUB "" "*"`)
	for _, folder := range []string{"INBOX", "Archive", "a"} {
		all += ask("STATUS "+folder+" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)") + ask("EXAMINE "+folder) + ask("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)") + ask("CLOSE")
	}
	return all
}

// hostileSession lets a client say in to the server through the tap.
func (s *realServer) hostileSession(tap *imapTap, in []byte) {
	conn, over := s.connect()
	defer conn.Close()
	var reading sync.WaitGroup
	reading.Go(func() {
		defer tap.close()
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			tap.down(b[:n])
		}
	})
	forward := func(p []byte) error {
		_, err := conn.Write(p)
		return err
	}
	tap.up(in, forward, func([]byte) error { return nil })
	io.WriteString(conn, "\r\nDONE\r\nend LOGOUT\r\n")
	select {
	case <-over:
	case <-time.After(time.Second): // it waits for a literal, or has locked itself up
	}
	conn.Close()
	reading.Wait()
}

func readingTap() *imapTap {
	t := newIMAPTap(func(string) {})
	t.reader = &imapReader{}
	return t
}

// hostile are sessions that try to change something.
var hostile = []string{
	"a SELECT INBOX\r\nb STORE 1 +FLAGS (\\Deleted)\r\nc EXPUNGE\r\n",
	"a EXAMINE INBOX\r\nb FETCH 1 BODY[]\r\nc UID STORE 1 FLAGS (\\Seen)\r\n",
	"a SELECT INBOX\r\nb FETCH 1:* BODY[]\r\nc CLOSE\r\n",
	"a sElEcT INBOX\r\nb  sToRe 1 FLAGS ()\r\n c COPY 1 Archive\r\n",
	"a CREATE new\r\nb DELETE Archive\r\nc RENAME a b\r\nd SUBSCRIBE a\r\ne UNSUBSCRIBE a\r\n",
	"a SELECT a\r\nb UID MOVE 1:* Archive\r\nc UID EXPUNGE 1:*\r\nd MOVE 1 INBOX\r\n",
	"a APPEND INBOX {5}\r\nhello\r\nb APPEND INBOX {5+}\r\nhello\r\nc APPEND INBOX (\\Seen) {0+}\r\n\r\n",
	"a FETCH {34+}\r\nb UID STORE 1 +FLAGS (\\Deleted)\r\n\r\n",
	"{34+}\r\nb DELETE Archive\r\n\r\nx {17+}\r\nb DELETE Archive\r\n",
	"a SEARCH TEXT {18-}\r\nb DELETE Archive\r\n",
	"a SEARCH TEXT {18}\r\nb DELETE Archive\r\n",
	"a SEARCH {99999999999999999999+}\r\nb DELETE Archive\r\n",
	"a SEARCH TEXT \"x {18+}\r\nb DELETE Archive\r\n",
	"a IDLE\r\nb SEARCH TEXT {18}\r\nc DELETE Archive\r\n",
	"a IDLE\r\nDONE {18+}\r\nc DELETE Archive\r\n",
	"a IDLE\r\nDONE\r\nc DELETE Archive\r\n",
	"a IDLE\r\nc DELETE Archive\r\nDONE\r\n",
	"a NOOP\rb DELETE Archive\r\nc NOOP\nd DELETE Archive\ne NOOP\x00f DELETE Archive\r\n",
	"a LIST \"\" {20+}\r\n\"\r\nb DELETE Archive\r\nc NOOP\r\n",
	"a\tDELETE\tArchive\r\na DELETE\tArchive\r\n\x00a DELETE Archive\r\n* DELETE Archive\r\n+ DELETE Archive\r\n",
	"a UID UID DELETE Archive\r\na UID\r\n DELETE Archive\r\na NOOP DELETE\r\n",
	"a LOGOUT\r\nb DELETE Archive\r\n",
	"a UNAUTHENTICATE\r\nb COMPRESS DEFLATE\r\nc AUTHENTICATE PLAIN\r\nAGEAYg==\r\nd STARTTLS\r\n",
	"a \u017fTORE 1 FLAGS ()\r\nb CHEC\u212a\r\n",
	"a STATUS {7}\r\nArchive (MESSAGES)\r\nb STATUS {7+}\r\nArchive (MESSAGES)\r\n",
}

// FuzzReadOnly lets a client with a password that may only read say anything to a real server: no mailbox,
// message or flag is another one afterwards.
func FuzzReadOnly(f *testing.F) {
	seeds(f, "imap", "C:")
	for _, in := range hostile {
		f.Add([]byte(in))
	}
	s := realMail()
	want := s.state()
	f.Fuzz(func(t *testing.T, in []byte) {
		s.hostileSession(readingTap(), in)
		if got := s.state(); got != want {
			t.Errorf("%q changed the mail:\n%s\nbefore:\n%s", in, got, want)
			want = got
		}
		sameInPieces(t, in)
	})
}

// sameInPieces checks that what goes upstream depends on the bytes and not on how they come.
func sameInPieces(t *testing.T, in []byte) {
	var first []byte
	for i, piece := range []int{max(1, len(in)), 1, 3, 7} {
		tap := readingTap()
		var out []byte
		keep := func(p []byte) error { out = append(out, p...); return nil }
		for rest := in; len(rest) > 0; {
			n := min(piece, len(rest))
			if tap.up(rest[:n], keep, func([]byte) error { return nil }) != nil {
				break
			}
			rest = rest[n:]
		}
		if i == 0 {
			first = out
		} else if !bytes.Equal(out, first) {
			t.Errorf("in pieces of %d the upstream gets %q, whole %q", piece, out, first)
		}
	}
	for line := range bytes.Lines(first) {
		c := splitReading(trimEOL(line))
		if refusal, _ := c.ruling(); refusal != "" && string(line) != "DONE\r\n" || bytes.ContainsAny(trimEOL(line), "\r\x00") {
			t.Errorf("%q reaches the upstream", line)
		}
		if _, ok := literalAt(line); ok {
			t.Errorf("a literal reaches the upstream: %q", line)
		}
	}
}

// A check that can not fail proves nothing: without the filter some of the sessions do change the mail.
func TestHostileSessionsAreHostile(t *testing.T) {
	s := realMail()
	before := s.state()
	changes := 0
	for _, in := range []string{"a SELECT Archive\r\nb STORE 1 +FLAGS ($here)\r\n", "a SELECT Archive\r\nb STORE 1 -FLAGS ($here)\r\n"} {
		s.hostileSession(newIMAPTap(func(string) {}), []byte(in))
		if now := s.state(); now != before {
			changes++
			before = now
		}
	}
	if changes != 2 {
		t.Errorf("%d changes were seen, want 2", changes)
	}
}

// Literals of a reading client go on as quoted strings.
func TestReadingLiterals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, up, answers string }{
		{"a SEARCH TEXT {5+}\r\nhe\"lo\r\n", "a SEARCH TEXT \"he\\\"lo\"\r\n", ""},
		{"a SEARCH TEXT {5}\r\nhe\\lo SUBJECT {2}\r\nab\r\n", "a SEARCH TEXT \"he\\\\lo\" SUBJECT \"ab\"\r\n", "+ go ahead\r\n+ go ahead\r\n"},
		{"a uid  search TEXT {0+}\r\n\r\nb NOOP\n", "a uid search TEXT \"\"\r\nb NOOP\r\n", ""},
		{"a select {5}\r\nINBOX (CONDSTORE)\r\n", "a EXAMINE \"INBOX\" (CONDSTORE)\r\n", "+ go ahead\r\n"},
		{"a SEARCH TEXT {4+}\r\na\r\nb\r\nc NOOP\r\n", "c NOOP\r\n", "a NO [CANNOT] this local password takes no text of several lines\r\n"},
		{"a SEARCH TEXT {70000}\r\nb NOOP\r\n", "b NOOP\r\n", "a NO [TOOBIG] literal too big\r\n"},
		{"a APPEND INBOX {3}\r\nb NOOP\r\n", "b NOOP\r\n", "a NO [NOPERM] this local password may only read\r\n"},
		{"a APPEND INBOX {3+}\r\nabc {3+}\r\nabc\r\nb NOOP\r\n", "b NOOP\r\n", "a NO [NOPERM] this local password may only read\r\n"},
		{"a IDLE\r\nDONE\r\nDONE\r\n\r\n", "a IDLE\r\nDONE\r\n", "DONE BAD that is no command\r\n"},
		{"a FETCH 1 ~{3+}\r\nabc\r\n", "", "a NO [CANNOT] this local password takes no text of several lines\r\n"},
	} {
		var up, answers string
		err := readingTap().up([]byte(tt.in), func(p []byte) error { up += string(p); return nil }, func(p []byte) error { answers += string(p); return nil })
		if err != nil || up != tt.up || answers != tt.answers {
			t.Errorf("%q\nupstream %q, want %q\nclient   %q, want %q\n%v", tt.in, up, tt.up, answers, tt.answers, err)
		}
	}
	tap := readingTap()
	if err := tap.up(bytes.Repeat([]byte("x"), maxReading+1), nil, nil); err == nil {
		t.Error("a line without end is held for ever")
	}
}
