package proxy

import (
	"context"
	"net"
	"testing"
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

// A dead machine says nothing, so the kernel has to ask, on both legs.
func TestDeadPeersAreNoticed(t *testing.T) {
	t.Parallel()
	var up net.Conn
	p := newProxy(t, func(s *Server) {
		s.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			up = conn
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
	c, upstream := p.login(t)
	defer func() { upstream.Close(); c.Close(); cancel(); <-served }()

	for name, conn := range map[string]net.Conn{"client": <-accepted, "upstream": up} {
		if option(t, conn, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 1 {
			t.Errorf("%s: no keep-alive", name)
		}
		tcp := func(opt int) int { return option(t, conn, unix.IPPROTO_TCP, opt) }
		silent := tcp(unix.TCP_KEEPIDLE) + tcp(unix.TCP_KEEPINTVL)*tcp(unix.TCP_KEEPCNT)
		if silent := time.Duration(silent) * time.Second; silent > 3*time.Minute {
			t.Errorf("%s: a peer that has gone is noticed after %v", name, silent)
		}
		// A client on this machine may stop reading for as long as it likes.
		if ms := tcp(unix.TCP_USER_TIMEOUT); ms != 0 {
			t.Errorf("%s on this machine has %d ms to read", name, ms)
		}
		endUnanswered(conn.(*net.TCPConn), unansweredFor)
		if ms := tcp(unix.TCP_USER_TIMEOUT); ms != int(unansweredFor.Milliseconds()) {
			t.Errorf("%s: bytes may stay without an answer for %d ms", name, ms)
		}
	}
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
