package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// soakServer is an upstream that plays scripts, and checks what it gets against them.
type soakServer struct {
	ln     net.Listener
	config *tls.Config
	world  *soakWorld
	rng    func(n int) int

	running sync.WaitGroup
	mu      sync.Mutex
	live    map[*soakUpstream]bool
}

func newSoakServer(t testing.TB, w *soakWorld) *soakServer {
	cert, _ := testCertificate()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &soakServer{ln: ln, config: &tls.Config{Certificates: []tls.Certificate{cert}}, world: w, live: map[*soakUpstream]bool{}, rng: rand.IntN}
	s.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.serve(conn) })
		}
	})
	return s
}

func (s *soakServer) close() {
	s.ln.Close()
	s.mu.Lock()
	for u := range s.live {
		u.raw.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// soakUpstream is one session at the upstream.
type soakUpstream struct {
	raw    net.Conn
	conn   *tls.Conn
	br     *bufio.Reader
	script script
	all    chan struct{} // closed when every response is sent, or no more can be

	mu   sync.Mutex // orders responses, and guards what follows
	ok   bool       // more may be sent
	user string
}

func (s *soakServer) serve(raw net.Conn) {
	u := &soakUpstream{raw: raw, conn: tls.Server(raw, s.config), all: make(chan struct{}), ok: true}
	s.mu.Lock()
	s.live[u] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.live, u)
		s.mu.Unlock()
		u.conn.Close()
	}()
	u.conn.SetDeadline(time.Now().Add(time.Minute))
	u.br = bufio.NewReader(u.conn)
	if s.rng(40) == 0 || !u.login(s) { // some connections die before they say a word
		return
	}
	// The first command of the relay names the script.
	line, err := u.br.ReadString('\n')
	if err != nil {
		return
	}
	var number uint64
	if _, err := fmt.Sscanf(line, "s SELECT soak-%d\r\n", &number); err != nil {
		s.world.broken("upstream got %.80q where a session begins", line)
		return
	}
	u.script = newScript(number)
	u.say("s OK [READ-WRITE] selected {3}\r\n")
	var writing sync.WaitGroup
	writing.Go(u.respond)
	if err := u.follow(); err != nil {
		s.world.broken("session %d (%v): upstream: %v", number, u.script.trouble, err)
	}
	if u.script.trouble == upstreamFreezes {
		time.Sleep(200 * time.Millisecond)
		io.Copy(io.Discard, u.br) // until the relay gives up
	}
	u.raw.SetDeadline(longAgo)
	writing.Wait()
}

// login is Exchange's, with a capability list now and then.
func (u *soakUpstream) login(s *soakServer) bool {
	greeting := "* OK ready [QQBC]"
	if s.rng(2) == 0 {
		greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready"
	}
	if !u.say(greeting + "\r\n") {
		return false
	}
	for {
		line, err := u.br.ReadString('\n')
		if err != nil {
			return false
		}
		tag, rest, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), " ")
		name, proof, _ := strings.Cut(rest, " ")
		switch name {
		case "CAPABILITY":
			u.say("* CAPABILITY IMAP4rev1 SASL-IR IDLE LITERAL+ AUTH=XOAUTH2\r\n" + tag + " OK done\r\n")
		case "NAMESPACE":
			u.say("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n" + tag + " OK done\r\n")
			return true
		case "AUTHENTICATE":
			b, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(proof, "XOAUTH2 "))
			fields := strings.Split(string(b), "\x01")
			if len(fields) < 2 || !s.world.good(strings.TrimPrefix(fields[1], "auth=Bearer ")) {
				u.say(tag + " NO AUTHENTICATE failed.\r\n")
				continue
			}
			u.mu.Lock()
			u.user = strings.TrimPrefix(fields[0], "user=")
			u.mu.Unlock()
			u.say(tag + " OK AUTHENTICATE completed.\r\n")
		case "SELECT": // a mailbox that answered lately is not probed
			u.br = bufio.NewReader(io.MultiReader(strings.NewReader(line), u.br))
			return true
		default:
			s.world.broken("upstream got %.80q before login", line)
			return false
		}
	}
}

func (u *soakUpstream) say(text string) bool { return u.send([]byte(text)) }

// send writes one response, if the session is not over.
func (u *soakUpstream) send(b []byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ok {
		return false
	}
	_, err := u.conn.Write(b)
	u.ok = err == nil
	return u.ok
}

// respond sends the script's responses, up to the trouble.
func (u *soakUpstream) respond() {
	defer close(u.all)
	for i := range u.script.responses {
		b := u.script.response(i)
		if i == u.script.at && u.script.trouble.early() && u.strike(b) {
			return
		}
		if u.script.trouble == slowUpstream {
			time.Sleep(time.Duration(i%7) * time.Millisecond)
		}
		if !u.send(b) {
			return
		}
	}
}

// strike is the upstream's trouble, and the end of what it says.
func (u *soakUpstream) strike(b []byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ok {
		return true
	}
	switch u.script.trouble {
	case upstreamBye:
		u.conn.Write([]byte("* BYE Session invalidated - AccessTokenExpired\r\n"))
		u.conn.Close()
	case upstreamCloses:
		u.conn.Write(b[:len(b)/2])
		u.conn.Close()
	case upstreamDrops:
		u.conn.Write(b[:len(b)/2])
		u.raw.Close()
	case upstreamResets:
		u.conn.Write(b[:len(b)/2])
		u.raw.(*net.TCPConn).SetLinger(0)
		u.raw.Close()
	case upstreamFreezes:
		u.conn.Write(b[:len(b)/2])
	default:
		return false
	}
	u.ok = false
	return true
}

// expire ends the session if it is that user's, as Exchange does when a token's life is over.
func (u *soakUpstream) expire(w *soakWorld, user string) {
	u.mu.Lock()
	is := u.user == user
	u.mu.Unlock()
	if !is {
		return
	}
	w.disturb(user)
	u.say("* BYE Session invalidated - AccessTokenExpired\r\n")
	u.mu.Lock()
	u.ok = false
	u.mu.Unlock()
	u.conn.Close()
}

// follow checks the client's commands one by one, and answers.
func (u *soakUpstream) follow() error {
	for i := range u.script.commands {
		c := u.script.command(i)
		if c.stays {
			continue
		}
		if u.script.trouble == slowUpstream {
			time.Sleep(time.Duration(i%5) * time.Millisecond)
		}
		if over, err := u.expect(c.head); over {
			return err
		}
		if c.waits {
			if !c.agreed {
				u.say(c.answer)
				continue
			}
			u.say("+ go ahead {4}\r\n")
			if over, err := u.expect(c.rest); over {
				return err
			}
		}
		if !u.say(c.answer) && u.script.trouble == upstreamFreezes {
			return nil
		}
	}
	if u.script.trouble == halfClose {
		if rest, err := io.ReadAll(u.br); err != nil || len(rest) > 0 {
			return u.unless(fmt.Errorf("at the client's end %.80q and %w", rest, err))
		}
		<-u.all
		return nil
	}
	if over, err := u.expect([]byte("z LOGOUT\r\n")); over {
		return err
	}
	<-u.all
	u.say("* BYE signing off\r\nz OK LOGOUT completed.\r\n")
	return nil
}

// expect reads want. A session may be over at any byte; what came before must be right.
func (u *soakUpstream) expect(want []byte) (over bool, err error) {
	got := make([]byte, len(want))
	n, err := io.ReadFull(u.br, got)
	if !bytes.Equal(got[:n], want[:n]) {
		at := firstDifference(got[:n], want)
		return true, fmt.Errorf("byte %d of %.60q is wrong: %.40q", at, want, got[at:n])
	}
	return err != nil, nil
}

// unless forgives errors of a session that ended early.
func (u *soakUpstream) unless(err error) error {
	if errors.Is(err, net.ErrClosed) || isTimeout(err) {
		return nil
	}
	return err
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
