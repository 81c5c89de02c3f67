package proxy

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"postern/auth"
)

// A paused server says goodbye to who is there, and a temporary no to who comes, without asking the upstream.
func TestPause(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.NoSpares = false })
	c, up := p.login(t)
	defer up.Close()
	spare := <-p.upstream.conns
	early := p.dial(t)
	early.expect("* OK")

	if ended, changed := p.Pause(); ended != 2 || !changed {
		t.Errorf("Pause = %d, %t", ended, changed)
	}
	if got := c.line(); got != "* BYE [UNAVAILABLE] Postern: paused" {
		t.Errorf("the session was told %q", got)
	}
	if got := early.line(); got != "* BYE Postern: paused" {
		t.Errorf("a client before its login was told %q", got)
	}
	isGone(t, spare)

	late := p.dial(t)
	late.expect("* OK")
	late.send(loginLine)
	if got, want := late.line(), "a NO [UNAVAILABLE] Postern is paused; resume it in the tray's menu or on the page of: postern open"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	late.send("b LOGIN ann@example.com wrong\r\n")
	late.expect("b NO [AUTHENTICATIONFAILED]")
	select {
	case <-p.upstream.conns:
		t.Error("the upstream was asked")
	default:
	}

	if _, changed := p.Pause(); changed {
		t.Error("paused a second time")
	}
	if !p.Resume() || p.Resume() || !p.PausedSince().IsZero() {
		t.Error("Resume does not resume once")
	}
	p.forgetAll()
	late.send(strings.Replace(loginLine, "a ", "c ", 1))
	(<-p.upstream.conns).admit(t)
	late.expect("c OK")
}

func TestPauseInEachProtocol(t *testing.T) {
	t.Parallel()
	plain := base64.StdEncoding.EncodeToString([]byte("\x00ann@example.com\x00" + `secret "p\w"`))
	for _, tt := range []struct {
		protocol           Protocol
		hello, login, want string
	}{
		{SMTP(), "220", "AUTH PLAIN " + plain, "454 4.7.0 Postern is paused; "},
		{POP3(), "+OK", "AUTH PLAIN " + plain, "-ERR [SYS/TEMP] Postern is paused; "},
	} {
		t.Run(tt.protocol.name(), func(t *testing.T) {
			t.Parallel()
			p := newProxyFor(t, tt.protocol)
			p.Pause()
			c := p.dial(t)
			c.expect(tt.hello)
			c.send(tt.login + "\r\n")
			if got := c.line(); !strings.HasPrefix(got, tt.want) || strings.Contains(got, "try again in") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A spare that is being made while the pause begins is not kept, and none is made for a login that ends then.
func TestPauseHoldsSpares(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.NoSpares = false })
	key := gateKey(IMAP(), p.accounts.account)
	p.prepare()
	p.makeSpare(IMAP(), p.accounts.account, p.upstream.ln.Addr().String(), p.PausedSince())
	making := <-p.upstream.conns
	p.Pause()
	isGone(t, making)
	if p.spares.reserve(key, p.PausedSince(), func() {}) != nil {
		t.Error("another is made")
	}
	p.Resume()
	if p.spares.reserve(key, p.PausedSince(), func() {}) == nil {
		t.Error("none is made after the pause")
	}
}

func TestPausedTunnel(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	p.Pause()
	err := p.Preauth(t.Context(), p.accounts.account, nil)
	refused, ok := err.(*PreauthRefused)
	if !ok || !strings.HasPrefix(refused.Bye, "[UNAVAILABLE] Postern is paused") {
		t.Errorf("%v: %+v", err, refused)
	}
	if problem, ok := refused.Err.(*auth.Problem); !ok || problem.Code != "paused" {
		t.Errorf("the reason is %v", refused.Err)
	}
}

// isGone fails while the upstream's connection is held.
func isGone(t *testing.T, c *upstreamConn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if b, err := c.br.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the spare lives: %q, %v", b, err)
	}
}
