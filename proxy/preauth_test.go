package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"postern/auth"
)

// tunnel begins a preauthenticated session whose client sent early before it was taken.
func (p *proxyUnderTest) tunnel(t *testing.T, ctx context.Context, early string) (*client, <-chan error) {
	t.Helper()
	ours, theirs := socketPair(t)
	done := make(chan error, 1)
	go func() {
		done <- p.Preauth(ctx, p.accounts.account, func() (net.Conn, []byte, error) { return theirs, []byte(early), nil })
	}()
	t.Cleanup(func() { ours.Close() })
	ours.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{Conn: ours, t: t, br: bufio.NewReader(ours)}, done
}

func socketPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn)
	go func() {
		conn, _ := ln.Accept()
		accepted <- conn
	}()
	a, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return a, <-accepted
}

func ended(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Preauth does not return")
		return nil
	}
}

func TestPreauth(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, done := p.tunnel(t, t.Context(), "a NOOP\r\n")
	up := <-p.upstream.conns
	up.admit(t)
	if got, want := c.line(), "* PREAUTH [CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID IDLE NAMESPACE LITERAL+] AUTHENTICATE completed."; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := up.line(t); got != "a NOOP" {
		t.Errorf("the early bytes came as %q", got)
	}
	up.send("a OK done")
	c.expect("a OK")
	sessions := p.Sessions()
	if len(sessions) != 1 || sessions[0].Account != fakeUser || sessions[0].Password != "tunnel" || sessions[0].Remote != "tunnel" {
		t.Errorf("sessions: %+v", sessions)
	}
	// The same rules as after any login.
	c.send("b LOGIN u TOPSECRET\r\nc NOOP\r\n")
	c.expect("b BAD")
	if got := up.line(t); got != "c NOOP" {
		t.Errorf("upstream got %q", got)
	}
	c.Conn.(*net.TCPConn).CloseWrite()
	up.send("* BYE off")
	up.Close()
	c.expect("* BYE")
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("then %v, want EOF", err)
	}
	if err := ended(t, done); err != nil {
		t.Error(err)
	}
	if n := len(p.Sessions()); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if n := p.sessions.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

func TestPreauthEnds(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	for name, end := range map[string]func(cancel context.CancelCauseFunc){
		"context": func(cancel context.CancelCauseFunc) { cancel(errors.New("stopping")) },
		"logout":  func(context.CancelCauseFunc) { p.EndSessions(fakeUser, errors.New("stopping")) },
	} {
		t.Run(name, func(t *testing.T) {
			p.forgetAll()
			ctx, cancel := context.WithCancelCause(t.Context())
			c, done := p.tunnel(t, ctx, "")
			up := <-p.upstream.conns
			up.admit(t)
			c.expect("* PREAUTH")
			end(cancel)
			if got := c.expect("* BYE"); !strings.Contains(got, "stopping") {
				t.Errorf("got %q", got)
			}
			if err := ended(t, done); err != nil {
				t.Error(err)
			}
			cancel(nil)
		})
	}
}

// While the mailbox is not open the client is not taken, and the error says why.
func TestPreauthRefused(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.Sessions = 1 })
	take := func() (net.Conn, []byte, error) {
		t.Error("the client was taken")
		return nil, nil, errors.New("taken")
	}
	p.accounts.fail = &auth.Problem{Class: auth.SignIn, Code: "not-connected", Say: "not signed in"}
	err := p.Preauth(t.Context(), p.accounts.account, take)
	refused, ok := errors.AsType[*PreauthRefused](err)
	if !ok || refused.Bye != "[ALERT] ann@example.com: not signed in; sign in again: postern login ann@example.com" {
		t.Errorf("%v: %+v", err, refused)
	}
	if problem, ok := errors.AsType[*auth.Problem](err); !ok || problem.Class != auth.SignIn {
		t.Errorf("no problem in %v", err)
	}
	p.accounts.fail = nil
	p.sessions.Add(1)
	defer p.sessions.Add(-1)
	if refused, ok := errors.AsType[*PreauthRefused](p.Preauth(t.Context(), p.accounts.account, take)); !ok || !strings.HasPrefix(refused.Bye, "[UNAVAILABLE] ") {
		t.Errorf("one too many: %+v", refused)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.sessions.Add(-1)
	defer p.sessions.Add(1)
	if err := p.Preauth(ctx, p.accounts.account, take); err == nil {
		t.Error("it goes on after the end of its context")
	}
}
