package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// keepingListener keeps what it accepts.
type keepingListener struct {
	net.Listener
	conns chan net.Conn
}

func (l *keepingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.conns <- conn
	}
	return conn, err
}

// peers is a session whose connections, as Postern has them, a test can ask.
type peers struct {
	*proxyUnderTest
	client    *client
	clients   net.Conn // Postern's end
	upstream  *upstreamConn
	upstreams net.Conn
}

func newPeers(t *testing.T) *peers {
	t.Helper()
	r := &peers{}
	p := newProxy(t, func(s *Server) {
		s.Settings.Limits.Silence = time.Millisecond
		s.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			r.upstreams = conn
			return conn, err
		}
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	accepted := make(chan net.Conn, 1)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, &keepingListener{ln, accepted}, IMAP()) }()
	r.proxyUnderTest = p
	r.client, r.upstream = p.login(t)
	r.clients = <-accepted
	t.Cleanup(func() { r.upstream.Close(); r.client.Close(); cancel(); <-served })
	return r
}

// A machine that has gone is noticed within minutes, on both legs, while nothing is to be sent.
func TestDeadPeersAreNoticed(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	for name, conn := range map[string]net.Conn{"client": p.clients, "upstream": p.upstreams} {
		if option(t, conn, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 1 {
			t.Errorf("%s: no keep-alive", name)
		}
		tcp := func(opt int) int { return option(t, conn, unix.IPPROTO_TCP, opt) }
		silent := tcp(unix.TCP_KEEPIDLE) + tcp(unix.TCP_KEEPINTVL)*tcp(unix.TCP_KEEPCNT)
		if silent := time.Duration(silent) * time.Second; silent > 3*time.Minute {
			t.Errorf("%s: a peer that has gone is noticed after %v", name, silent)
		}
		// Who is alive may stop reading for as long as it likes.
		if ms := tcp(unix.TCP_USER_TIMEOUT); ms != 0 {
			t.Errorf("%s has %d ms to read", name, ms)
		}
	}
}

// A phone that idles is not woken more often on the port with TLS.
func TestKeepAliveBelowTLS(t *testing.T) {
	t.Parallel()
	cert, roots := testCertificate()
	p := newProxy(t, func(s *Server) { s.Settings.TLS = &tls.Config{Certificates: []tls.Certificate{cert}} })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, ListenTLS(&keepingListener{ln, accepted}), IMAP()) }()
	defer func() { cancel(); <-served }()
	conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &client{Conn: conn, t: t, br: bufio.NewReader(conn)}
	c.expect("* OK")
	if idle := option(t, <-accepted, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE); idle != 60 {
		t.Errorf("asked after %d s", idle)
	}
}

// Somebody looks as long as there are sessions, and after the next login again.
func TestPeersAreWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		s.prepare()
		for range 2 {
			ses := &session{server: s, protocol: IMAP()}
			s.registry.add(ses)
			s.watchPeers()
			time.Sleep(10*lookEvery + time.Second)
			if !s.watching.Load() {
				t.Error("nobody looks")
			}
			s.registry.remove(ses)
			time.Sleep(lookEvery)
			if s.watching.Load() {
				t.Error("somebody looks, and there is nothing to see")
			}
		}
	})
	p := newProxy(t)
	_, up := p.login(t)
	defer up.Close()
	waitFor(t, p.watching.Load)
}

// die lets a connection's system hear nothing any more, and so answer nothing.
func die(t *testing.T, conn net.Conn) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	deaf := []unix.SockFilter{{Code: unix.BPF_RET, K: 0}}
	raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &deaf[0]})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Bytes that nobody acknowledges end the session, whoever has gone.
func TestDeadPeerEndsTheSession(t *testing.T) {
	t.Parallel()
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		p := newPeers(t)
		die(t, p.client.Conn)
		p.upstream.send("* 1 EXISTS")
		waitFor(t, func() bool { p.endDeadPeers(); return len(p.Sessions()) == 0 })
		if !strings.Contains(p.log.String(), errClientGone.Error()) {
			t.Error(p.log)
		}
	})
	t.Run("upstream", func(t *testing.T) {
		t.Parallel()
		p := newPeers(t)
		die(t, p.upstream.Conn.(*tls.Conn).NetConn())
		p.client.send("b NOOP\r\n")
		waitFor(t, func() bool { p.endDeadPeers(); return len(p.Sessions()) == 0 })
		if got := p.client.expect("* BYE"); !strings.Contains(got, errUpstreamGone.Error()) {
			t.Errorf("got %q", got)
		}
	})
}

// A client that lives and does not read keeps its session, however often its system is asked whether it does now.
func TestPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	p := newPeers(t)
	for _, conn := range []net.Conn{p.clients, p.client.Conn} { // what fills the sockets is soon written
		conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
		conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	}
	message := "* 1 FETCH (BODY[] {4000000}\r\n" + strings.Repeat("x", 4_000_000) + ")\r\n"
	go io.WriteString(p.upstream, message)
	waitFor(t, func() bool {
		p.endDeadPeers()
		return closedFor(t, p.clients) >= 3 // probes, after 200, 400, 800 ms
	})
	got := make([]byte, len(message))
	if n, err := io.ReadFull(p.client.br, got); err != nil || string(got) != message {
		t.Errorf("%d bytes of %d arrived, then %v", n, len(got), err)
	}
}

// closedFor is how many probes of a closed window were sent.
func closedFor(t *testing.T, conn net.Conn) (probes int) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil && info.Unacked == 0 {
			probes = int(info.Backoff)
		}
	})
	return probes
}

func option(t *testing.T, conn net.Conn, level, opt int) (n int) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), level, opt) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
