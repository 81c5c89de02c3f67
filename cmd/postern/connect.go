package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"postern/internal/control"
	"postern/proxy"
)

// runConnect is a mail session on standard input and output, already logged in, for mail programs that run a
// command in place of a connection. It goes through the daemon where one runs, so that its limits hold and
// `postern status` shows the session.
func runConnect(ctx context.Context, a *app, args []string) error {
	email, err := oneArgument(args, "the account's address (EMAIL)")
	if err != nil {
		return a.bye(err)
	}
	tunnel, err := control.NewClient(a.stateDir()).Connect(ctx, email)
	if errors.Is(err, control.ErrNotRunning) {
		return a.bye(a.connectHere(ctx, email))
	}
	if err != nil {
		return a.bye(err)
	}
	return a.throughDaemon(ctx, tunnel)
}

// bye tells the mail program too that there is no session: it shows what stands in a BYE, and hides or mixes
// up what is on standard error.
func (a *app) bye(err error) error {
	if err == nil || errors.As(err, new(*sessionOver)) {
		return err
	}
	say := "Postern: " + err.Error()
	if refused, ok := errors.AsType[*proxy.PreauthRefused](err); ok && refused.Bye != "" {
		say = refused.Bye
	}
	fmt.Fprintf(a.ui.out, "* BYE %s\r\n", oneLine(say)) // with a CR, which print takes out
	return err
}

// sessionOver marks an error of a session that had begun: the mail program has been told by the relay.
type sessionOver struct{ error }

func (e *sessionOver) Unwrap() error { return e.error }

// oneLine keeps a text within a line of IMAP.
func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = ' '
		}
	}
	return string(b)
}

// throughDaemon carries bytes between the mail program and the daemon until the daemon ends.
func (a *app) throughDaemon(ctx context.Context, tunnel *control.Tunnel) error {
	defer tunnel.Close()
	stop := context.AfterFunc(ctx, func() { tunnel.Close() })
	defer stop()
	go func() {
		io.Copy(tunnel.Conn, a.ui.in) // ends with the process at the latest
		tunnel.CloseWrite()
	}()
	_, err := io.Copy(a.ui.out, tunnel)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// connectHere carries the session in this process.
func (a *app) connectHere(ctx context.Context, email string) error {
	m, err := a.accounts()
	if err != nil {
		return err
	}
	account, err := m.Account(ctx, email)
	if err != nil {
		return err
	}
	log, err := a.log()
	if err != nil {
		return err
	}
	settings, err := proxySettings(a.cfg)
	if err != nil {
		return err
	}
	server := &proxy.Server{Accounts: m, Settings: settings, Log: log, NoSpares: true}
	taken := false
	done := make(chan struct{})
	err = server.Preauth(ctx, account, func() (net.Conn, []byte, error) {
		taken = true
		return a.stdio(done), nil, nil
	})
	if !taken {
		return err
	}
	<-done // all that the server sent is written
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return &sessionOver{err}
	}
	return nil
}

// stdio makes a connection of standard input and output: they are files, which know no deadlines. written is
// closed when all output is written.
func (a *app) stdio(written chan<- struct{}) net.Conn {
	in, fromIn := net.Pipe()
	out, toOut := net.Pipe()
	go func() {
		io.Copy(fromIn, a.ui.in) // ends with the process at the latest
		fromIn.Close()
	}()
	go func() {
		defer close(written)
		io.Copy(a.ui.out, toOut)
		toOut.Close() // or writing would wait for a reader who has gone
	}()
	return &stdioConn{in: in, Conn: out}
}

// stdioConn reads from one pipe and writes to another, so that each side ends by itself.
type stdioConn struct {
	net.Conn // for writing
	in       net.Conn
}

func (c *stdioConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// CloseWrite ends the output; deadlines set afterwards have nothing left to act on.
func (c *stdioConn) CloseWrite() error { return c.Conn.Close() }

func (c *stdioConn) Close() error { return errors.Join(c.in.Close(), c.Conn.Close()) }

func (c *stdioConn) SetReadDeadline(t time.Time) error { return c.in.SetReadDeadline(t) }

func (c *stdioConn) SetDeadline(t time.Time) error {
	return errors.Join(c.in.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}
