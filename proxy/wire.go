package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// errLineTooLong means that what follows can not be told apart from the rest of the line: the connection is lost.
var errLineTooLong = errors.New("line longer than 64 KiB")

// wire is a connection before the relay: lines and literals in, answers out, both bounded. It is used by
// one goroutine. detach ends it.
type wire struct {
	conn net.Conn
	br   *bufio.Reader
	long []byte // grows only for a line longer than br's buffer
}

var lineReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func newWire(conn net.Conn) *wire {
	br := lineReaders.Get().(*bufio.Reader)
	br.Reset(conn)
	return &wire{conn: conn, br: br}
}

// readLine returns the next line without its CR LF or bare LF. The line is valid until the next read.
func (w *wire) readLine() ([]byte, error) {
	line, err := w.br.ReadSlice('\n')
	if err == nil {
		return trimEOL(line), nil
	}
	if err != bufio.ErrBufferFull {
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	w.long = append(w.long[:0], line...)
	for {
		line, err = w.br.ReadSlice('\n')
		if len(w.long)+len(line) > maxLine {
			return nil, errLineTooLong
		}
		w.long = append(w.long, line...)
		if err == nil {
			return trimEOL(w.long), nil
		}
		if err != bufio.ErrBufferFull {
			return nil, err
		}
	}
}

func trimEOL(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// readN returns the next n octets of a literal.
func (w *wire) readN(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(w.br, b)
	return b, err
}

// buffered says how many bytes have arrived that nobody has read.
func (w *wire) buffered() int { return w.br.Buffered() }

// write sends everything in one piece: an answer in two small writes can meet a delayed acknowledgement.
func (w *wire) write(p []byte) error {
	_, err := w.conn.Write(p)
	return err
}

func (w *wire) writeLine(line string) error { return w.write([]byte(line + "\r\n")) }

// within sets one deadline for all that follows; zero lifts it.
func (w *wire) within(d time.Duration) {
	if d == 0 {
		w.conn.SetDeadline(time.Time{})
		return
	}
	w.conn.SetDeadline(time.Now().Add(d))
}

// replaceConn goes on with a connection that took over the old one, as STARTTLS does.
func (w *wire) replaceConn(conn net.Conn) {
	w.conn = conn
	w.br.Reset(conn)
}

// detach hands the connection over, with the bytes that arrived before the hand-over. The wire is of no
// use afterwards.
func (w *wire) detach() (net.Conn, []byte) {
	early, _ := w.br.Peek(w.br.Buffered())
	early = bytes.Clone(early)
	w.release()
	return w.conn, early
}

// release gives the read buffer back, emptied: it has held a password.
func (w *wire) release() {
	if w.br == nil {
		return
	}
	w.br.Reset(nil)
	lineReaders.Put(w.br)
	clear(w.long)
	w.br, w.long = nil, nil
}
