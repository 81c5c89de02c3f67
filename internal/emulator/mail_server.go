package emulator

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// mailServer is what the IMAP, SMTP and POP3 servers have in common: it accepts connections, knows the live ones,
// keeps what they send and counts what they ask. Its exported methods are theirs, and may be called from any
// goroutine.
type mailServer[S serverSession] struct {
	proto       string // for the log
	listener    net.Listener
	tls         *tls.Config
	log         *slog.Logger
	recordLimit int
	running     sync.WaitGroup

	mu       sync.Mutex // guards everything below, and the options of the servers
	closed   bool
	sessions map[int]S
	records  []*record
	faults   faultQueue[string, MailFault]
	disabled map[string]bool
	counts   map[string]int
}

// serverSession is what a mailServer needs of a session.
type serverSession interface {
	run() // from the first byte to the last; the session says itself when it is over (mailServer.end)
	mailbox() string
	describe() Session
	abort()
	reset()
}

func (m *mailServer[S]) listen(proto string, opt Options, conf *tls.Config) (err error) {
	m.proto, m.tls, m.log = proto, conf, opt.Log
	m.recordLimit = cmp.Or(opt.RecordLimit, 1<<20)
	m.sessions, m.disabled, m.counts = make(map[int]S), make(map[string]bool), make(map[string]int)
	m.listener, err = net.Listen("tcp", "127.0.0.1:0")
	return err
}

// Addr is host:port of the listener.
func (m *mailServer[S]) Addr() string { return m.listener.Addr().String() }

// accept runs each connection's session until the server is closed. open is called with mu held.
func (m *mailServer[S]) accept(open func(id int, conn net.Conn, rec *record) S) {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			if m.isClosed() {
				return
			}
			m.log.Warn("accept failed", "proto", m.proto, "err", err)
			continue
		}
		m.begin(conn, open)
	}
}

func (m *mailServer[S]) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

func (m *mailServer[S]) begin(conn net.Conn, open func(int, net.Conn, *record) S) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		conn.Close()
		return
	}
	m.counts["CONNECT"]++
	rec := &record{limit: m.recordLimit}
	m.records = append(m.records, rec)
	id := len(m.records)
	s := open(id, conn, rec)
	m.sessions[id] = s
	m.running.Add(1)
	go s.run()
}

// end forgets a session; called once per session.
func (m *mailServer[S]) end(id int) {
	m.mu.Lock()
	delete(m.sessions, id)
	m.mu.Unlock()
	m.running.Done()
}

func (m *mailServer[S]) close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	err := m.listener.Close()
	m.CloseAll()
	m.running.Wait()
	return err
}

// Session describes a live connection to a mail server.
type Session struct {
	ID      int // 1 is the first connection; Received is in this order
	Remote  string
	Mailbox string // "" before the login
	Owner   string // of the access token
	State   string // "login", "ready", "frozen"; of IMAP also "idle" and "not connected"
	Since   time.Time
}

// Sessions lists the live connections in the order they came.
func (m *mailServer[S]) Sessions() []Session {
	var list []Session
	for _, s := range m.live("") {
		list = append(list, s.describe())
	}
	slices.SortFunc(list, func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// CloseAll ends every connection without a word and tells how many there were.
func (m *mailServer[S]) CloseAll() int { return each(m.live(""), S.abort) }

// ResetAll ends every connection with a TCP RST.
func (m *mailServer[S]) ResetAll() int { return each(m.live(""), S.reset) }

// Disable switches the protocol off (or on again) for a mailbox. IMAP logins to it succeed and are not connected.
func (m *mailServer[S]) Disable(mailbox string, off bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disabled[lower(mailbox)] = off
}

func (m *mailServer[S]) isDisabled(mailbox string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.disabled[mailbox]
}

// live is the sessions of a mailbox, "" = all.
func (m *mailServer[S]) live(mailbox string) []S {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Collect(maps.Values(m.sessions))
	if mailbox = lower(mailbox); mailbox == "" {
		return list
	}
	return slices.DeleteFunc(list, func(s S) bool { return s.mailbox() != mailbox })
}

func each[S serverSession](list []S, do func(S)) int {
	for _, s := range list {
		do(s)
	}
	return len(list)
}
