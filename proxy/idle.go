package proxy

import (
	"io"
	"net"
	"syscall"
)

// idleReader reads from a connection and holds no buffer while nothing comes: an idle IMAP session waits
// for half an hour, and a program with thousands of them would be made of empty buffers.
type idleReader struct {
	conn   net.Conn
	raw    syscall.RawConn // nil where the system has no readiness to wait for
	ready  func(fd uintptr) bool
	got    *buffer
	err    error
	parked []byte // without raw, a small buffer that waits in the place of a large one
	more   bool   // the last read filled parked: the rest is likely there, and is taken in one piece
}

// parkedSize holds a command or a short response.
const parkedSize = 512

func newIdleReader(conn net.Conn) *idleReader {
	r := &idleReader{conn: conn}
	if sc, ok := conn.(syscall.Conn); ok && canWaitReady {
		if raw, err := sc.SyscallConn(); err == nil {
			r.raw, r.ready = raw, r.tryRead
		}
	}
	return r
}

// read waits for bytes and returns them in a pooled buffer, which the caller releases. With an error
// there is no buffer; the end of the stream is io.EOF.
func (r *idleReader) read() (*buffer, error) {
	if r.raw == nil {
		return r.readParked()
	}
	r.got, r.err = nil, nil
	if err := r.raw.Read(r.ready); err != nil {
		return nil, err
	}
	b, err := r.got, r.err
	r.got = nil
	return b, err
}

// tryRead is what the runtime's poller calls: false means that there is nothing yet.
func (r *idleReader) tryRead(fd uintptr) bool {
	b := getBuffer()
	n, err := readNow(fd, b.b[:readSize])
	switch {
	case err == errNothingYet:
		b.release()
		return false
	case err != nil:
		b.release()
		r.err = &net.OpError{Op: "read", Net: "tcp", Source: r.conn.LocalAddr(), Addr: r.conn.RemoteAddr(), Err: err}
	case n == 0:
		b.release()
		r.err = io.EOF
	default:
		b.n = n
		r.got = b
	}
	return true
}

func (r *idleReader) readParked() (*buffer, error) {
	if r.more {
		r.more = false
		b := getBuffer()
		n, err := r.conn.Read(b.b[:readSize])
		if n == 0 {
			b.release()
			return nil, err
		}
		b.n = n
		return b, nil
	}
	if r.parked == nil {
		r.parked = make([]byte, parkedSize)
	}
	n, err := r.conn.Read(r.parked)
	if n == 0 {
		return nil, err
	}
	b := getBuffer()
	b.n = copy(b.free(), r.parked[:n])
	clear(r.parked[:n])
	// Nothing is read on here: where all had come, that would wait for what the peer sends after our answer.
	r.more = n == parkedSize
	return b, nil
}
