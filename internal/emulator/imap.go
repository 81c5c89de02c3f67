package emulator

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// IMAP is the mail server: implicit TLS, our own front until the login, then go-imap's imapserver on a mailbox in
// memory, its answers reworded to Exchange's. Its methods may be called from any goroutine.
//
// One limit of the mailbox underneath: a FETCH holds its folder's lock while it writes, so a client that stops
// reading in a large FETCH stalls the other sessions of that folder. Give such a client a mailbox of its own.
type IMAP struct {
	listener    net.Listener
	tls         *tls.Config
	log         *slog.Logger
	recordLimit int
	admit       admission
	mailboxes   map[string]*mailbox // by address; not changed after the start
	server      *imapserver.Server
	handOff     *handOff
	closing     chan struct{}
	running     sync.WaitGroup

	mu       sync.Mutex // guards everything below
	closed   bool
	options  MailOptions
	sessions map[int]*session
	records  []*record
	faults   faultQueue[string, MailFault]
	grants   map[permission]bool
	disabled map[string]bool
	counts   map[string]int
}

type permission struct{ owner, mailbox string }

// admission says whether a bearer token covers a scope, and what it allows.
type admission func(bearer, wanted string) (pass, bool)

func startIMAP(opt Options, admit admission, conf *tls.Config) (*IMAP, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &IMAP{
		listener:    ln,
		tls:         conf,
		log:         opt.Log,
		recordLimit: opt.RecordLimit,
		admit:       admit,
		mailboxes:   make(map[string]*mailbox),
		handOff:     newHandOff(ln.Addr()),
		closing:     make(chan struct{}),
		options:     opt.Mail,
		sessions:    make(map[int]*session),
		grants:      make(map[permission]bool),
		disabled:    make(map[string]bool),
		counts:      make(map[string]int),
	}
	if m.recordLimit == 0 {
		m.recordLimit = 1 << 20
	}
	for _, user := range opt.Users {
		mail := user.Mail
		if mail == nil {
			mail = SampleMail()
		}
		if m.mailboxes[lower(user.Address)], err = newMailbox(lower(user.Address), mail); err != nil {
			ln.Close()
			return nil, err
		}
	}
	m.server = imapserver.New(&imapserver.Options{
		NewSession: newMailSession,
		Logger:     slog.NewLogLogger(opt.Log.Handler(), slog.LevelDebug),
		// Only what imapserver's parser looks at: the client is shown the dialect's own list.
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapLiteralPlus: {}, imap.CapMove: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}},
	})
	m.running.Go(func() { m.server.Serve(m.handOff) })
	m.running.Go(m.accept)
	return m, nil
}

// Addr is host:port of the implicit TLS listener.
func (m *IMAP) Addr() string { return m.listener.Addr().String() }

func (m *IMAP) accept() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			if m.isClosed() {
				return
			}
			m.log.Warn("imap accept failed", "err", err)
			continue
		}
		if s := m.begin(conn); s != nil {
			go s.run()
		}
	}
}

func (m *IMAP) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// begin registers a connection; nil when the server is closing.
func (m *IMAP) begin(conn net.Conn) *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		conn.Close()
		return nil
	}
	m.counts["CONNECT"]++
	rec := &record{limit: m.recordLimit}
	m.records = append(m.records, rec)
	s := newSession(m, len(m.records), conn, rec)
	m.sessions[s.id] = s
	m.running.Add(1)
	return s
}

// end forgets a session; called once per session.
func (m *IMAP) end(s *session) {
	m.mu.Lock()
	delete(m.sessions, s.id)
	m.mu.Unlock()
	m.running.Done()
}

func (m *IMAP) count(command string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[command]++
}

func (m *IMAP) close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	close(m.closing)
	err := m.listener.Close()
	m.handOff.Close() // ends Serve; the sessions it took are among ours
	for _, s := range m.live("") {
		s.abort()
	}
	m.running.Wait()
	return err
}

func lower(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// handOff is the listener through which logged-in sessions reach imapserver, which takes nothing else.
type handOff struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
	addr   net.Addr
}

func newHandOff(addr net.Addr) *handOff {
	h := &handOff{conns: make(chan net.Conn), closed: make(chan struct{}), addr: addr}
	h.close = sync.OnceFunc(func() { close(h.closed) })
	return h
}

// give returns false when the server is closing; the caller then still owns conn.
func (h *handOff) give(conn net.Conn) bool {
	select {
	case h.conns <- conn:
		return true
	case <-h.closed:
		return false
	}
}

func (h *handOff) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handOff) Close() error   { h.close(); return nil }
func (h *handOff) Addr() net.Addr { return h.addr }
