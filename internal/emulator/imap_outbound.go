package emulator

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// outbound is the writing side of a session. It follows imapserver's output line by line, literals apart, so that
// lines can be reworded and a BYE never lands in the middle of an answer.
type outbound struct {
	last atomic.Pointer[string] // BYE line to end with, as soon as mu is free and no answer is half sent

	mu      sync.Mutex // guards everything below, and writes to conn
	conn    net.Conn
	partial []byte // a line that imapserver has not finished
	literal int64  // bytes of a literal still to come
	inside  bool   // the line goes on an answer after a literal
	exists  []byte // the last "* n EXISTS" line
	ended   bool   // the BYE is out
}

// write sends bytes as they are.
func (o *outbound) write(b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writeLocked(b)
}

func (o *outbound) writeLocked(b []byte) error {
	if o.ended {
		return net.ErrClosed
	}
	for chunk := range slices.Chunk(b, 256<<10) {
		o.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := o.conn.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// sayLast sends the waiting BYE unless a writer is at work, who does it then. True when the BYE is out.
func (o *outbound) sayLast() bool {
	if !o.mu.TryLock() {
		return false
	}
	defer o.mu.Unlock()
	line := o.last.Load()
	if line == nil || o.ended || len(o.partial) > 0 || o.literal > 0 || o.inside {
		return false
	}
	o.writeLocked([]byte(*line))
	o.ended = true
	return true
}

// Write takes imapserver's output. It never fails: imapmemserver (beta.8) leaves imapserver's encoder locked for
// good when a FETCH meets a write error, and the session's goroutine with it. The next Read ends the session.
func (c *mailConn) Write(p []byte) (int, error) {
	s := c.s
	if s.frozen.Load() || s.isGone() {
		return len(p), nil
	}
	if c.forward(p) != nil {
		s.abort()
	}
	s.farewell()
	return len(p), nil
}

// forward rewords and sends. It holds the lock for the whole of p, so that nothing comes between its lines.
func (c *mailConn) forward(p []byte) error {
	s, o := c.s, &c.s.out
	o.mu.Lock()
	defer o.mu.Unlock()
	var b []byte
	for len(p) > 0 {
		if o.literal > 0 {
			n := int(min(o.literal, int64(len(p))))
			if s.cut.Load() {
				return c.cutShort(append(b, p[:n/2]...))
			}
			if len(b) == 0 && n == len(p) { // the bulk of a large message is not copied
				o.literal -= int64(n)
				return o.writeLocked(p)
			}
			b, p = append(b, p[:n]...), p[n:]
			o.literal -= int64(n)
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			o.partial = append(o.partial, p...)
			break
		}
		line := append(o.partial, p[:end+1]...)
		o.partial, p = nil, p[end+1:]
		b = append(b, c.lineLocked(line)...)
	}
	return o.writeLocked(b)
}

// cutShort is ResetInLiteral: half of what there is of the literal, then a reset.
func (c *mailConn) cutShort(b []byte) error {
	c.s.out.writeLocked(b)
	c.s.cut.Store(false)
	resetConn(c.s.raw)
	return net.ErrClosed
}

// lineLocked rewords one complete line and notes what it means for the session.
func (c *mailConn) lineLocked(line []byte) []byte {
	s, o := c.s, &c.s.out
	if o.inside {
		o.literal, o.inside = outLiteral(line)
		return line
	}
	if !c.greeted { // imapserver's own greeting; the client had ours
		c.greeted = true
		return nil
	}
	switch {
	case bytes.HasPrefix(line, []byte("+ idling")):
		s.idle.Store(true)
		if s.expired.Load() { // between the command and here; Write ends with the farewell
			o.last.CompareAndSwap(nil, s.opt.expiredLine())
		}
		return []byte(s.opt.idleReply(o.exists))
	case bytes.HasPrefix(line, []byte("+ ")):
		c.literalAccepted()
	case isExists(line):
		o.exists = bytes.Clone(line)
	}
	if bytes.HasPrefix(line, []byte("* ")) && !isStatus(line) {
		o.literal, o.inside = outLiteral(line)
	}
	if s.opt.gmail() {
		return line
	}
	return reword(line)
}

// outLiteral tells of a literal at the end of a line of the server. Its answer goes on after it, even if it is empty.
func outLiteral(line []byte) (int64, bool) {
	size, _, ok := literalAt(line)
	return size, ok
}

func isStatus(line []byte) bool {
	for _, word := range []string{"* OK ", "* NO ", "* BAD ", "* BYE "} {
		if bytes.HasPrefix(line, []byte(word)) {
			return true
		}
	}
	return false
}

func isExists(line []byte) bool {
	return bytes.HasPrefix(line, []byte("* ")) && bytes.HasSuffix(line, []byte(" EXISTS\r\n"))
}

// idleReply is the continuation of IDLE, with the quirk of an EXISTS before it (seen at Exchange).
func (o MailOptions) idleReply(exists []byte) string {
	reply := idleAccepted
	if o.gmail() {
		reply = "+ idling"
	}
	if o.ExistsBeforePlus {
		return string(exists) + reply + "\r\n"
	}
	return reply + "\r\n"
}
