package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"postern/auth"
	"postern/proxy"
)

// Tunnel is a mail session that is logged in. Reads begin with the server's greeting. Who got it from Connect closes it.
type Tunnel struct {
	net.Conn
	early *bufio.Reader
}

// Read reads what the mail server says.
func (t *Tunnel) Read(p []byte) (int, error) { return t.early.Read(p) }

// CloseWrite tells the mail server that nothing more comes.
func (t *Tunnel) CloseWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// Connect opens a session of an account without a local password. ErrNotRunning; auth.ErrUnknownAccount; a
// *proxy.PreauthRefused when the mailbox can not be opened, as the proxy itself returns it.
func (c *Client) Connect(ctx context.Context, account string) (*Tunnel, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	t, err := openTunnel(conn, account)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}

func openTunnel(conn net.Conn, account string) (*Tunnel, error) {
	req, err := http.NewRequest(http.MethodPost, "http://postern/v1/connect?"+url.Values{"account": {account}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", tunnelProtocol)
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	br := bufio.NewReader(conn)
	res, err := http.ReadResponse(br, req)
	if err != nil {
		return nil, fmt.Errorf("the daemon ended the connection: %w", err)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return &Tunnel{conn, br}, nil
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	var a refusedTunnel
	if json.Unmarshal(body, &a) != nil || a.Error == "" {
		return nil, errors.New("the daemon answered " + res.Status)
	}
	return nil, a.err(res.StatusCode)
}

// err is the error that the daemon had, as far as it matters here.
func (a refusedTunnel) err(status int) error {
	if status == http.StatusNotFound {
		return remoteError{a.Error, auth.ErrUnknownAccount}
	}
	var err error = errors.New(a.Error)
	if a.Class != "" {
		err = &auth.Problem{Class: classOf(a.Class), Code: a.Code, Say: a.Say, Cure: a.Cure}
	}
	return &proxy.PreauthRefused{Bye: a.Bye, Err: err}
}

// remoteError has the daemon's words and the error of ours that they stand for.
type remoteError struct {
	text string
	is   error
}

func (e remoteError) Error() string { return e.text }
func (e remoteError) Unwrap() error { return e.is }

func classOf(name string) auth.Class {
	for _, c := range []auth.Class{auth.Retry, auth.Refresh, auth.SignIn, auth.Admin, auth.Configuration} {
		if c.String() == name {
			return c
		}
	}
	return auth.Retry
}
