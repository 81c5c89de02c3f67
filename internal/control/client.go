package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// ErrNotRunning means that no daemon serves the state directory.
var ErrNotRunning = errors.New("no daemon is running")

// Client asks the daemon of one state directory. The zero value is of no use; call NewClient. Its methods may be called
// by any goroutine. Where they name ErrNotRunning, any other error is the daemon's own word or the connection's.
type Client struct {
	stateDir string
	path     string
	http     *http.Client
}

// NewClient makes a client; it connects with each call.
func NewClient(stateDir string) *Client {
	c := &Client{stateDir: stateDir, path: SocketPath(stateDir)}
	c.http = &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		},
	}
	return c
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	if err := c.isOurs(); err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.path)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case isNobody(err):
		return nil, fmt.Errorf("%w with the state directory %s", ErrNotRunning, c.stateDir)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w that this user may ask (%w)", ErrNotRunning, err)
	}
	return nil, fmt.Errorf("%w that can be asked (%w)", ErrNotRunning, err)
}

// isOurs keeps what is asked of the daemon from somebody else's socket: one in the working directory, where the
// environment has no home, or in the directory for temporary files, where anybody may make one first.
func (c *Client) isOurs() error {
	if c.stateDir == "" {
		return fmt.Errorf("%w that can be found: the environment has no home, so name the state directory with --state", ErrNotRunning)
	}
	dir := filepath.Dir(c.path)
	if dir == filepath.Clean(c.stateDir) {
		return nil
	}
	switch err := ownedByUs(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w with the state directory %s", ErrNotRunning, c.stateDir)
	case err != nil:
		return fmt.Errorf("%w that can be trusted (%w)", ErrNotRunning, err)
	}
	return nil
}

// isNobody tells a socket that is not there, or that a daemon left behind, from other troubles. Windows has a number
// of its own for the latter (WSAECONNREFUSED).
func isNobody(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.Errno(10061))
}

// Status asks for the daemon's state; ErrNotRunning.
func (c *Client) Status(ctx context.Context) (st Status, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/status", &st)
	return st, err
}

// EndSessions says goodbye to the live sessions of an account and returns how many there were; ErrNotRunning.
func (c *Client) EndSessions(ctx context.Context, account string) (int, error) {
	var ended struct{ Ended int }
	err := c.call(ctx, http.MethodPost, "/v1/accounts/"+url.PathEscape(account)+"/end-sessions", &ended)
	return ended.Ended, err
}

// EndPassword says goodbye to the live sessions that a local password has opened, which must be gone already,
// and returns how many there were; ErrNotRunning.
func (c *Client) EndPassword(ctx context.Context, account, id string) (int, error) {
	var ended struct{ Ended int }
	err := c.call(ctx, http.MethodPost, "/v1/accounts/"+url.PathEscape(account)+"/passwords/"+url.PathEscape(id)+"/end-sessions", &ended)
	return ended.Ended, err
}

// Pause lets no mail program in until Resume or the daemon's end, and returns how many sessions it has ended;
// ErrNotRunning. A daemon that is paused already ends none.
func (c *Client) Pause(ctx context.Context) (int, error) {
	var ended struct{ Ended int }
	err := c.call(ctx, http.MethodPost, "/v1/pause", &ended)
	return ended.Ended, err
}

// Resume lets mail programs in again; ErrNotRunning. It is no error if they were not kept out.
func (c *Client) Resume(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/resume", new(struct{}))
}

// Reload puts a changed configuration into force; ErrNotRunning. Any other error says what is wrong with it.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/reload", new(struct{}))
}

// Link asks for an address that opens the web page for one browser, within two minutes; "" when the daemon
// has no page. ErrNotRunning.
func (c *Client) Link(ctx context.Context) (string, error) { return c.link(ctx, anyUser) }

// BrowserLink is Link for a browser that this process starts: it opens no other user's. ErrNotRunning.
func (c *Client) BrowserLink(ctx context.Context) (string, error) { return c.link(ctx, os.Getuid()) }

func (c *Client) link(ctx context.Context, user int) (string, error) {
	var made struct{ URL string }
	err := c.call(ctx, http.MethodPost, "/v1/open?user="+strconv.Itoa(user), &made)
	return made.URL, err
}

func (c *Client) call(ctx context.Context, method, path string, into any) error {
	return c.send(ctx, method, path, nil, into)
}

// send is call with something to tell.
func (c *Client) send(ctx context.Context, method, path string, tell, into any) error {
	var body io.Reader
	if tell != nil {
		b, err := json.Marshal(tell)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://postern"+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err // the address around it is of our own making
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		var e struct{ Error string }
		json.Unmarshal(said, &e)
		if e.Error == "" {
			e.Error = "the daemon answered " + res.Status
		}
		return errors.New(e.Error)
	}
	return json.Unmarshal(said, into)
}
