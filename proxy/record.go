package proxy

import (
	"encoding/binary"
	"net"
	"os"
	"sync"
)

// recordHeader is the length of a TLS record's header (RFC 8446 section 5.1).
const recordHeader = 5

// recordConn lies below a tls.Conn and hands it one TLS record at a time. crypto/tls reads as much as it
// is given into a buffer that it never shrinks; given no more than a record, an idle connection that has
// once carried a large message keeps one record's worth instead of some 64 KiB. And because no further
// record waits inside crypto/tls, the relay can wait for the socket itself, without a buffer.
//
// Reads and writes may run at the same time, each in one goroutine, as with any net.Conn.
type recordConn struct {
	net.Conn
	in   *idleReader
	buf  *buffer // what has arrived; nil when all of it is handed out
	next int     // first byte of buf that is not handed out
	left int     // bytes of the current record that are not handed out
	only bool    // no record is waited for: errNoRecord instead

	mu  sync.Mutex // guards out: crypto/tls may write from its reading goroutine
	out *buffer    // gathers writes; nil when they go out at once
}

func newRecordConn(conn net.Conn) *recordConn {
	return &recordConn{Conn: conn, in: newIdleReader(conn)}
}

// errNoRecord means that no record has arrived whole. Not every record has bytes for us: behind one with a message may
// stand one with a new key (RFC 8446 section 4.6.3), and the message must not wait for what comes after that.
var errNoRecord = os.ErrDeadlineExceeded // which crypto/tls takes for an error that passes

// Read implements net.Conn. It returns no byte past the current record.
func (c *recordConn) Read(p []byte) (int, error) {
	if c.only && c.left == 0 && !c.recordWaiting() {
		return 0, errNoRecord
	}
	if c.left == 0 {
		if err := c.arrived(recordHeader); err != nil {
			return 0, err
		}
		c.left = recordHeader + c.bodyLength()
	}
	if err := c.arrived(1); err != nil {
		return 0, err
	}
	n := copy(p, c.buf.b[c.next:min(c.buf.n, c.next+c.left)])
	c.next += n
	c.left -= n
	if c.next == c.buf.n {
		c.buf.release()
		c.buf, c.next = nil, 0
	}
	return n, nil
}

func (c *recordConn) bodyLength() int {
	return int(binary.BigEndian.Uint16(c.buf.b[c.next+3:]))
}

// arrived waits until at least n bytes are at hand. Only while nothing has arrived does it wait without a buffer.
func (c *recordConn) arrived(n int) error {
	if c.buf == nil {
		b, err := c.in.read()
		if err != nil {
			return err
		}
		c.buf, c.next = b, 0
	}
	for c.buf.n-c.next < n {
		c.buf.n = copy(c.buf.b[:], c.buf.b[c.next:c.buf.n])
		c.next = 0
		more, err := c.Conn.Read(c.buf.free())
		if err != nil {
			return err
		}
		c.in.more = false // this has taken what the first read left
		c.buf.n += more
	}
	return nil
}

// wait returns when a read would find something, holding no buffer until then.
func (c *recordConn) wait() error {
	if c.left > 0 {
		return nil
	}
	return c.arrived(1)
}

// recordWaiting says whether a whole record can be read without waiting.
func (c *recordConn) recordWaiting() bool {
	if c.buf == nil || c.left > 0 || c.buf.n-c.next < recordHeader {
		return false
	}
	return c.buf.n-c.next >= recordHeader+c.bodyLength()
}

// Write implements net.Conn.
func (c *recordConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return c.Conn.Write(p)
	}
	if len(p) > len(c.out.free()) {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) > len(c.out.free()) {
		return c.Conn.Write(p)
	}
	c.out.n += copy(c.out.free(), p)
	return len(p), nil
}

// cork gathers the records of one large write, which crypto/tls would send with a system call each.
func (c *recordConn) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = getBuffer()
}

// uncork sends what was gathered.
func (c *recordConn) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.flush()
	c.out.release()
	c.out = nil
	return err
}

func (c *recordConn) flush() error {
	if c.out.n == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.out.bytes())
	c.out.n = 0
	return err
}
