package proxy

import "sync"

// A TLS record carries at most 16 KiB (RFC 8446 section 5.1). A read takes up to eight of them, so that a
// busy connection moves several records with one system call, and the same bytes fit in a buffer again
// when each record has grown by its header and its authentication tag.
const (
	recordSize = 16 << 10
	readSize   = 8 * recordSize
	bufferSize = readSize + 8*256
)

// buffer carries bytes through the relay. Buffers are pooled: a session that waits holds none.
type buffer struct {
	n int
	b [bufferSize]byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func getBuffer() *buffer {
	b := buffers.Get().(*buffer)
	b.n = 0
	return b
}

func (b *buffer) bytes() []byte { return b.b[:b.n] }
func (b *buffer) free() []byte  { return b.b[b.n:] }
func (b *buffer) release()      { buffers.Put(b) }
