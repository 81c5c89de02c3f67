package proxy

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"postern/auth"
)

var errTaken = errors.New("the local password was revoked")

// enterAs logs a client in with one of the fake's passwords.
func (p *proxyUnderTest) enterAs(t *testing.T, password string) (*client, *upstreamConn) {
	t.Helper()
	p.forgetAll()
	c := p.dial(t)
	c.expect("* OK")
	c.send("a LOGIN " + fakeUser + " " + password + "\r\n")
	up := <-p.upstream.conns
	up.admit(t)
	c.expect("a OK")
	return c, up
}

func (c *client) ended() {
	c.t.Helper()
	if b, err := io.ReadAll(c.br); err != nil || len(b) != 0 {
		c.t.Errorf("after the goodbye: %q, %v", b, err)
	}
}

// A password that is taken back ends what it has opened, at a safe boundary, and nothing else.
func TestEndPassword(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	idle, idleUp := p.enterAs(t, "reader")
	defer idleUp.Close()
	busy, busyUp := p.enterAs(t, "reader")
	other, otherUp := p.enterAs(t, "known")
	busy.send("b FETCH 1 BODY[]\r\n")
	busyUp.line(t)
	io.WriteString(busyUp, "* 1 FETCH (BODY[] {10}\r\n01234")
	busy.expect("* 1 FETCH")

	if n := p.EndPassword("bob@example.com", "id-reader", errTaken); n != 0 {
		t.Errorf("%d sessions of another account", n)
	}
	if n := p.EndPassword(fakeUser, "", errTaken); n != 0 {
		t.Errorf("%d sessions of passwords without an ID", n)
	}
	if n := p.EndPassword("ANN@example.com", "id-reader", errTaken); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	if got := idle.expect("* BYE"); got != "* BYE [UNAVAILABLE] Postern: the local password was revoked" {
		t.Errorf("got %q", got)
	}
	idle.ended()
	io.WriteString(busyUp, "56789)\r\n")
	if got := busy.line(); got != "0123456789)" {
		t.Errorf("the literal came as %q", got)
	}
	busy.expect("* BYE")
	busy.ended()

	other.send("b NOOP\r\n")
	if got := otherUp.line(t); got != "b NOOP" {
		t.Errorf("upstream got %q", got)
	}
	otherUp.send("b OK done")
	other.expect("b OK")
	if n := strings.Count(p.log.String(), `msg="session revoked"`); n != 2 || !strings.Contains(p.log.String(), `account=ann@example.com password=backup why="the local password was revoked" audit=true`) {
		t.Errorf("%d audit events in\n%s", n, p.log)
	}
}

// One that is on its way to the upstream is ended as well, and then belongs to nobody.
func TestEndPasswordDuringLogin(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := p.dial(t)
	c.expect("* OK")
	c.send("a LOGIN " + fakeUser + " reader\r\n")
	defer (<-p.upstream.conns).Close() // says nothing
	if s := p.Sessions(); len(s) != 1 || s[0].Account != "" {
		t.Errorf("before login: %+v", s)
	}
	if n := p.EndPassword(fakeUser, "id-reader", errTaken); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
	c.expect("* BYE")
	c.ended()
}

// A password that is taken back while it is being checked opens nothing, although the check has said yes.
func TestEndPasswordDuringCheck(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	checks := 0
	p.accounts.check = func(login auth.Login) (auth.Login, error) {
		if checks++; checks > 1 {
			return auth.Login{}, auth.ErrWrongPassword
		}
		p.EndPassword(fakeUser, login.PasswordID, errTaken)
		return login, nil
	}
	c := p.dial(t)
	c.expect("* OK")
	c.send("a LOGIN " + fakeUser + " reader\r\n")
	c.expect("a NO [AUTHENTICATIONFAILED]")
	if n := p.EndPassword(fakeUser, "id-reader", errTaken); n != 0 {
		t.Errorf("%d sessions of a refused login", n)
	}
}

// A refused login leaves a connection that is nobody's.
func TestRefusedLoginIsNobodys(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	p.accounts.fail = &auth.Problem{Class: auth.SignIn, Say: "not signed in"}
	c := p.dial(t)
	c.expect("* OK")
	c.send("a LOGIN " + fakeUser + " reader\r\n")
	c.expect("a NO")
	if n := p.EndPassword(fakeUser, "id-reader", errTaken) + p.EndSessions(fakeUser, errTaken); n != 0 {
		t.Errorf("%d sessions", n)
	}
	c.send("b LOGOUT\r\n")
	c.expect("b OK")
}

func TestPasswordExpires(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	p.accounts.check = func(login auth.Login) (auth.Login, error) {
		login.Expires = time.Now().Add(10 * time.Millisecond).Round(0)
		return login, nil
	}
	c, up := p.enterAs(t, "reader")
	defer up.Close()
	if got := c.expect("* BYE"); !strings.Contains(got, "the local password has expired") {
		t.Errorf("got %q", got)
	}
	c.ended()
}

// Signing out ends those that are logging in, too.
func TestEndSessionsDuringLogin(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	_, done := p.tunnel(t, context.Background(), "")
	defer (<-p.upstream.conns).Close()
	if n := p.EndSessions(fakeUser, errors.New("stopping")); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
	if err := ended(t, done); err == nil {
		t.Error("the tunnel was opened")
	}
}
