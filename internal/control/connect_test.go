package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/auth"
	"postern/proxy"
)

// fakeTunnels echoes what comes, in capitals, behind a greeting.
type fakeTunnels struct{ refuse error }

func (f fakeTunnels) Preauth(_ context.Context, account auth.Account, take func() (net.Conn, []byte, error)) error {
	if f.refuse != nil {
		return f.refuse
	}
	conn, early, err := take()
	if err != nil {
		return err
	}
	defer conn.Close()
	io.WriteString(conn, "* PREAUTH "+account.Email+"\r\n")
	all, err := io.ReadAll(conn)
	io.WriteString(conn, strings.ToUpper(string(early)+string(all)))
	return err
}

type fakeAccounts struct{ Accounts }

func (fakeAccounts) Account(_ context.Context, email string) (auth.Account, error) {
	if email != "ann@example.com" {
		return auth.Account{}, auth.ErrUnknownAccount
	}
	return auth.Account{Email: email}, nil
}

// serveControl is a daemon's API at a socket of its own.
func serveControl(t *testing.T, tunnels Tunnels) (*Server, *Client, string) {
	t.Helper()
	dir := t.TempDir()
	ln, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Accounts: fakeAccounts{}, Tunnels: tunnels}
	web := &http.Server{Handler: s.API()}
	go web.Serve(ln)
	t.Cleanup(func() { web.Close() })
	return s, NewClient(dir), SocketPath(dir)
}

func TestConnect(t *testing.T) {
	s, c, _ := serveControl(t, fakeTunnels{})
	tunnel, err := c.Connect(t.Context(), "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer tunnel.Close()
	tunnel.SetDeadline(time.Now().Add(20 * time.Second))
	lines := bufio.NewReader(tunnel)
	if line, err := lines.ReadString('\n'); line != "* PREAUTH ann@example.com\r\n" {
		t.Errorf("greeting %q, %v", line, err)
	}
	ended := make(chan struct{})
	go func() {
		s.Wait()
		close(ended)
	}()
	io.WriteString(tunnel, "hello")
	select {
	case <-ended:
		t.Error("Wait returned while a tunnel was open")
	default:
	}
	tunnel.CloseWrite()
	if rest, err := io.ReadAll(lines); string(rest) != "HELLO" || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("Wait does not return")
	}
}

// What a client sends behind its request, before the answer, belongs to the session.
func TestConnectEarlyBytes(t *testing.T) {
	_, _, path := serveControl(t, fakeTunnels{})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, "POST /v1/connect?account=ann%40example.com HTTP/1.1\r\nHost: postern\r\nConnection: Upgrade\r\nUpgrade: imap-preauth\r\n\r\na noop\r\n")
	conn.(*net.UnixConn).CloseWrite()
	all, err := io.ReadAll(conn)
	_, stream, ok := strings.Cut(string(all), "\r\n\r\n")
	if !ok || stream != "* PREAUTH ann@example.com\r\nA NOOP\r\n" || err != nil {
		t.Errorf("got %q, %v", all, err)
	}
}

func TestConnectRefused(t *testing.T) {
	problem := &auth.Problem{Class: auth.SignIn, Code: "AADSTS700082", Say: "the sign-in has expired", Cure: "postern login ann@example.com"}
	_, c, path := serveControl(t, fakeTunnels{refuse: &proxy.PreauthRefused{Bye: "[ALERT] sign in", Err: problem}})
	_, err := c.Connect(t.Context(), "ann@example.com")
	refused, ok := errors.AsType[*proxy.PreauthRefused](err)
	if !ok || refused.Bye != "[ALERT] sign in" {
		t.Errorf("got %v", err)
	}
	if got, ok := errors.AsType[*auth.Problem](err); !ok || *got != *problem {
		t.Errorf("got %+v, want %+v", got, problem)
	}
	if _, err := c.Connect(t.Context(), "bob@example.com"); !errors.Is(err, auth.ErrUnknownAccount) {
		t.Errorf("an unknown account: %v", err)
	}
	if _, err := NewClient(t.TempDir()).Connect(t.Context(), "ann@example.com"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no daemon: %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/connect?account=ann%40example.com HTTP/1.1\r\nHost: postern\r\nConnection: close\r\n\r\n")
	if all, _ := io.ReadAll(conn); !strings.HasPrefix(string(all), "HTTP/1.1 426 ") {
		t.Errorf("without Upgrade: %q", all)
	}
}
