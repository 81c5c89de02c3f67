package emulator

import (
	"bytes"
	"net"
	"slices"
	"sync"
)

// record keeps what a session received.
type record struct {
	limit int

	mu   sync.Mutex
	data []byte
}

func (r *record) add(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if room := r.limit - len(r.data); room > 0 {
		r.data = append(r.data, p[:min(room, len(p))]...)
	}
}

func (r *record) copy() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.data)
}

// recorded keeps what is read.
type recorded struct {
	net.Conn
	rec *record
}

func (r recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.rec.add(p[:n])
	return n, err
}

// Received is every byte that each connection has sent so far, after TLS and, with STARTTLS, before it, up to
// Options.RecordLimit: one entry per connection in the order they came, those that ended included.
func (m *mailServer[S]) Received() [][]byte {
	m.mu.Lock()
	records := slices.Clone(m.records)
	m.mu.Unlock()
	list := make([][]byte, len(records))
	for i, r := range records {
		list[i] = r.copy()
	}
	return list
}

// Count is how many times a command (upper case; "UID FETCH" is one) was read, over all sessions. "CONNECT" counts
// accepted connections.
func (m *mailServer[S]) Count(command string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[command]
}

func (m *mailServer[S]) count(command string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[command]++
}
