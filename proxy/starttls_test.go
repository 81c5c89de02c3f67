package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func withCertificate(s *Server) {
	cert, _ := testCertificate()
	s.Settings.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
}

// secure goes through the handshake that the client's last command has started.
func (c *client) secure() {
	c.t.Helper()
	_, roots := testCertificate()
	conn := tls.Client(c.Conn, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err := conn.Handshake(); err != nil {
		c.t.Fatalf("TLS: %v", err)
	}
	c.Conn, c.br = conn, bufio.NewReader(conn)
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		protocol                                           Protocol
		greeting, offer, command, goAhead, injected, again string
	}{
		{IMAP(), "* OK [CAPABILITY IMAP4rev1 SASL-IR ID STARTTLS AUTH=PLAIN", "", "a STARTTLS", "a OK", "a BAD", "a BAD"},
		{SMTP(), "220 ", "EHLO x", "STARTTLS", "220 ", "501 ", "502 "},
		{POP3(), "+OK", "CAPA", "STLS", "+OK", "-ERR", "-ERR"},
	}
	for _, tt := range tests {
		t.Run(tt.protocol.name(), func(t *testing.T) {
			p := newProxyFor(t, tt.protocol, withCertificate)
			c := p.dial(t)
			c.expect(tt.greeting)
			c.send(tt.command + "\r\n")
			c.expect(tt.goAhead)
			c.secure()
			c.send(tt.command + "\r\n")
			c.expect(tt.again)

			// Whoever puts a command behind STARTTLS on the open line wants it taken for the client's own.
			c = p.dial(t)
			c.expect(tt.greeting)
			c.send(tt.command + "\r\nx LOGIN eve eve\r\n")
			c.expect(tt.injected)
			if rest, err := io.ReadAll(c.br); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("after injected data: %q, %v; want the connection closed", rest, err)
			}
		})
	}
}

// A client from another machine gets no chance to send its password in the clear.
func TestPasswordNeedsTLSFromAfar(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		protocol       Protocol
		hello, refused string
		try            string
	}{
		{IMAP(), "* OK [CAPABILITY IMAP4rev1 SASL-IR ID STARTTLS LOGINDISABLED]", "a NO [PRIVACYREQUIRED]", "a LOGIN u p"},
		{SMTP(), "220 ", "538 5.7.11", "AUTH PLAIN AHUAcA=="},
		{POP3(), "+OK", "-ERR STLS first", "USER u"},
	} {
		ours, theirs := net.Pipe()
		front := tt.protocol.client(newWire(ours), frontOptions{needTLS: true, badCommands: 5,
			startTLS: func() error { return nil }, note: func(string, ...any) {}})
		go func() {
			front.greet()
			front.login()
			ours.Close()
		}()
		theirs.SetDeadline(time.Now().Add(10 * time.Second))
		c := &client{Conn: theirs, t: t, br: bufio.NewReader(theirs)}
		c.expect(tt.hello)
		c.send(tt.try + "\r\n")
		c.expect(tt.refused)
		theirs.Close()
	}
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	p := newProxy(t, withCertificate)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go p.Serve(t.Context(), ListenTLS(ln), IMAP())
	_, roots := testCertificate()
	conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	c := &client{Conn: conn, t: t, br: bufio.NewReader(conn)}
	c.expect("* OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN")
	c.send(loginLine)
	up := <-p.upstream.conns
	up.admit(t)
	c.expect("a OK")
	message := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB, in many records
	go up.send(message)
	got := make([]byte, len(message))
	if _, err := io.ReadFull(c.br, got); err != nil || string(got) != message {
		t.Errorf("1 MiB down: %v", err)
	}
	go c.send("b APPEND x {1048576+}\r\n" + message)
	got = make([]byte, len("b APPEND x {1048576+}\r\n")+len(message))
	if _, err := io.ReadFull(up.br, got); err != nil || !strings.HasSuffix(string(got), message) {
		t.Errorf("1 MiB up: %v", err)
	}
}

// Ports tell how TLS begins, for sessions, for check and for the settings of clients alike.
func TestBeginsWithTLS(t *testing.T) {
	for _, tt := range []struct {
		p       Protocol
		address string
		want    bool
	}{
		{SMTP(), "mail.example:465", true},
		{SMTP(), "mail.example:587", false},
		{SMTP(), "[::1]:25", false},
		{IMAP(), "127.0.0.1:9993", true},
		{POP3(), "127.0.0.1:995", true},
	} {
		if got := BeginsWithTLS(tt.p, tt.address); got != tt.want {
			t.Errorf("%s at %s: %v, want %v", tt.p.name(), tt.address, got, tt.want)
		}
	}
}
