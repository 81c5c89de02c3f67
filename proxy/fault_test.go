package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/auth"
)

// A thousand clients that connect and say nothing keep nobody out: those that are in go on, and one that
// comes takes the place of the silent client that has been there the longest.
func TestSilentClients(t *testing.T) {
	const silent, places = 1000, 300
	p := newProxy(t, func(s *Server) {
		s.Settings.Limits.PreLogin, s.Settings.Limits.PreLoginTime = places, 30*time.Second
	})
	inside, up := p.login(t)
	defer up.Close()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range silent {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	waitFor(t, func() bool { return p.waiting.count() <= places })

	inside.send("b NOOP\r\n")
	up.answer(t, "NOOP")
	inside.expect("b OK")

	_, up2 := p.login(t)
	up2.Close()
	if n := p.waiting.count(); n > places {
		t.Errorf("%d clients wait for their login, want at most %d", n, places)
	}
	// Whoever had to go was told.
	conns[0].SetDeadline(time.Now().Add(10 * time.Second))
	if said, err := io.ReadAll(conns[0]); err != nil || !strings.Contains(string(said), "\r\n* BYE ") {
		t.Errorf("the first silent client got %q, %v", said, err)
	}
}

// Silence ends by itself.
func TestSilentClientsLeave(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.PreLoginTime = 200 * time.Millisecond })
	for range 50 {
		c := p.dial(t)
		c.expect("* OK")
	}
	waitFor(t, func() bool { return p.waiting.count() == 0 && p.sessions.Load() == 0 })
}

// accountsAt knows more than one account, each at its own server.
type accountsAt struct {
	*fakeAccounts
	imap map[string]string // address by user
}

func (a accountsAt) CheckPassword(ctx context.Context, user string, password auth.Secret) (auth.Login, error) {
	login, err := a.fakeAccounts.CheckPassword(ctx, fakeUser, password)
	login.Account.Email, login.Account.Mailbox, login.Account.Provider.IMAP = user, user, a.imap[user]
	return login, err
}

// A name that can not be looked up is told to the client, disturbs no other account, and is nothing that
// has to be mended when the network is back.
func TestNameServerDown(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	asked, release := make(chan struct{}), make(chan struct{})
	p := newProxy(t, func(s *Server) {
		fake := s.Accounts.(*fakeAccounts)
		_, port, _ := net.SplitHostPort(fake.account.Provider.IMAP)
		s.Accounts = accountsAt{fake, map[string]string{"ann": "localhost:" + port, "bob": "stuck.example:" + port, "carol": "127.0.0.1:" + port}}
		s.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, _ := net.SplitHostPort(address)
			switch {
			case host == "localhost" && down.Load():
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}}
			case host == "stuck.example":
				close(asked)
				<-release
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}}
			}
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
		}
	})
	login := func(user string) *client {
		c := p.dial(t)
		c.expect("* OK")
		c.send("a LOGIN " + user + ` "secret \"p\\w\""` + "\r\n")
		return c
	}
	stuck := login("bob")
	<-asked

	other := login("carol")
	up := <-p.upstream.conns
	defer up.Close()
	up.admit(t)
	other.expect("a OK")

	c := login("ann")
	if got := c.line(); !strings.HasPrefix(got, "a NO [UNAVAILABLE] ") || !strings.Contains(got, "can not be looked up") {
		t.Errorf("got %q", got)
	}
	down.Store(false)
	p.forgetAll()
	c.send("b LOGIN ann reader\r\n")
	up = <-p.upstream.conns
	defer up.Close()
	up.admit(t)
	c.expect("b OK")
	close(release)
	stuck.expect("a NO [UNAVAILABLE]")
}

// Answers of ours that find no place among the upstream's are not gathered without end.
func TestAnswersWithoutAPlace(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	defer up.Close()
	up.send("* 1 FETCH (BODY[] {100}", "not all of it")
	c.expect("not all")
	go io.Copy(c, strings.NewReader(strings.Repeat("x LOGIN a b\r\n", 100_000)))
	waitFor(t, func() bool { return len(p.Sessions()) == 0 })
}

// A client that vanishes in the middle of a large FETCH takes its session with it, and only that.
func TestClientVanishes(t *testing.T) {
	t.Parallel()
	for name, vanish := range map[string]func(*client){
		"closes": func(c *client) { c.Close() },
		"resets": func(c *client) { c.Conn.(*net.TCPConn).SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxy(t)
			other, otherUp := p.login(t)
			defer otherUp.Close()
			c, up := p.login(t)
			up.send(fmt.Sprintf("* 1 FETCH (BODY[] {%d}", 50<<20))
			over := make(chan error, 1)
			go func() {
				_, err := io.CopyN(up, newPattern(), 50<<20)
				over <- err
			}()
			io.CopyN(io.Discard, c.br, 1<<20)
			vanish(c)
			select {
			case <-over:
			case <-time.After(10 * time.Second):
				t.Fatal("the upstream still sends to nobody")
			}
			waitFor(t, func() bool { return len(p.Sessions()) == 1 })
			other.send("b NOOP\r\n")
			otherUp.answer(t, "NOOP")
			other.expect("b OK")
		})
	}
}
