package emulator

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// connection is what the sessions of the three mail servers have in common.
type connection struct {
	id    int
	raw   net.Conn // TCP
	since time.Time

	login  atomic.Pointer[login] // nil before the login
	frozen atomic.Bool           // reads and writes vanish

	gone     chan struct{} // closed when the session aborts
	goneOnce sync.Once
}

// login is who a session belongs to.
type login struct {
	mailbox string
	owner   string
	token   *accessToken
	box     *mailbox
}

func (c *connection) mailbox() string {
	if l := c.login.Load(); l != nil {
		return l.mailbox
	}
	return ""
}

func (c *connection) describe() Session {
	d := Session{ID: c.id, Remote: c.raw.RemoteAddr().String(), State: "login", Since: c.since}
	if l := c.login.Load(); l != nil {
		d.Mailbox, d.Owner, d.State = l.mailbox, l.owner, "ready"
	}
	if c.frozen.Load() {
		d.State = "frozen"
	}
	return d
}

func (c *connection) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// wait pauses the session; false when it ended meanwhile.
func (c *connection) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.gone:
		return false
	}
}
