package proxy

import (
	"crypto/tls"
	"net"
	"time"
)

// leg is one side of a relay: the connection to the client or to the upstream, plain or TLS. One
// goroutine may read while another writes.
type leg struct {
	conn net.Conn
	in   *idleReader // plain
	rec  *recordConn // TLS
	fail error       // an error that came together with bytes
}

func newLeg(conn net.Conn) *leg {
	if t, ok := conn.(*tls.Conn); ok {
		if rec, ok := t.NetConn().(*recordConn); ok {
			return &leg{conn: conn, rec: rec}
		}
	}
	return &leg{conn: conn, in: newIdleReader(conn)}
}

// read waits for bytes and returns them in a pooled buffer, which the caller releases. With an error there is none.
func (l *leg) read() (*buffer, error) {
	if l.rec == nil {
		return l.in.read()
	}
	if l.fail != nil {
		return nil, l.fail
	}
	if err := l.rec.wait(); err != nil {
		return nil, err
	}
	b := getBuffer()
	var err error
	b.n, err = l.conn.Read(b.b[:readSize])
	l.rec.only = true
	// A read with less room than a record could leave part of it inside crypto/tls, where waiting for the
	// socket would not see it.
	for err == nil && readSize-b.n >= recordSize && l.rec.recordWaiting() {
		var n int
		n, err = l.conn.Read(b.b[b.n:readSize])
		b.n += n
	}
	l.rec.only = false
	if b.n == 0 {
		b.release()
		return nil, err
	}
	if err != errNoRecord {
		l.fail = err
	}
	return b, nil
}

// write sends all of p.
func (l *leg) write(p []byte) error {
	if l.rec == nil || len(p) <= recordSize {
		_, err := l.conn.Write(p)
		return err
	}
	l.rec.cork()
	_, err := l.conn.Write(p)
	if flushErr := l.rec.uncork(); err == nil {
		err = flushErr
	}
	return err
}

// interrupt ends a read that waits. A write is never interrupted: half a TLS record ruins the stream.
func (l *leg) interrupt() { l.conn.SetReadDeadline(longAgo) }

// longAgo as a deadline ends whatever waits.
var longAgo = time.Unix(1, 0)
