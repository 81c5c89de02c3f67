package emulator

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
)

// lineServer is what the servers whose commands are lines have in common: SMTP and POP3. Its exported methods are
// theirs, and may be called from any goroutine.
type lineServer struct {
	proto       string // for the log
	bye         string // what a farewell begins with
	listener    net.Listener
	tls         *tls.Config
	log         *slog.Logger
	recordLimit int
	mail        *IMAP // the mailboxes, and who may open them
	serve       func(*lineSession)
	running     sync.WaitGroup

	mu       sync.Mutex // guards everything below, and the options of the servers
	closed   bool
	sessions map[int]*lineSession
	records  []*record
	faults   faultQueue[string, MailFault]
	disabled map[string]bool
	counts   map[string]int
}

func newLineServer(proto, bye string, opt Options, mail *IMAP, conf *tls.Config) (*lineServer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &lineServer{
		proto:       proto,
		bye:         bye,
		listener:    ln,
		tls:         conf,
		log:         opt.Log,
		recordLimit: cmp.Or(opt.RecordLimit, 1<<20),
		mail:        mail,
		sessions:    make(map[int]*lineSession),
		disabled:    make(map[string]bool),
		counts:      make(map[string]int),
	}, nil
}

// Addr is host:port of the listener.
func (l *lineServer) Addr() string { return l.listener.Addr().String() }

func (l *lineServer) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			l.mu.Lock()
			closed := l.closed
			l.mu.Unlock()
			if closed {
				return
			}
			l.log.Warn("accept failed", "proto", l.proto, "err", err)
			continue
		}
		if s := l.begin(conn); s != nil {
			go s.run()
		}
	}
}

// begin registers a connection; nil when the server is closing.
func (l *lineServer) begin(conn net.Conn) *lineSession {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return nil
	}
	l.counts["CONNECT"]++
	rec := &record{limit: l.recordLimit}
	l.records = append(l.records, rec)
	s := newLineSession(l, len(l.records), conn, rec)
	l.sessions[s.id] = s
	l.running.Add(1)
	return s
}

func (l *lineServer) end(s *lineSession) {
	l.mu.Lock()
	delete(l.sessions, s.id)
	l.mu.Unlock()
	l.running.Done()
}

func (l *lineServer) count(command string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[command]++
}

func (l *lineServer) close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	err := l.listener.Close()
	l.CloseAll()
	l.running.Wait()
	return err
}

// Disable switches the protocol off (or on again) for a mailbox.
func (l *lineServer) Disable(mailbox string, off bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.disabled[lower(mailbox)] = off
}

func (l *lineServer) isDisabled(mailbox string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.disabled[mailbox]
}

// Fail makes the next n greetings, logins, messages or commands meet f; n < 0 = every one until ClearFaults. Faults
// strike in the order of the calls. The kinds are Refuse, Bye, Silence, Reset, Slow and, for what POP3 sends,
// ResetInLiteral.
func (l *lineServer) Fail(at string, n int, f MailFault) {
	f.Mailbox = lower(f.Mailbox)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults.add(at, n, f)
}

// ClearFaults forgets every fault that has not struck yet.
func (l *lineServer) ClearFaults() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults.clear()
}

// fault takes what waits at a place for a session of mailbox ("" before the login).
func (l *lineServer) fault(at, mailbox string) MailFault {
	isCommand := at != AtGreeting && at != AtLogin && at != AtMessage
	l.mu.Lock()
	defer l.mu.Unlock()
	f, _ := l.faults.take(func(where string, f MailFault) bool {
		here := where == at || where == AtAnyCommand && isCommand
		return here && cmp.Or(f.Mailbox, mailbox) == mailbox
	})
	return f
}

// Received is every byte that each connection has sent so far, after TLS and, with STARTTLS, before it, up to
// Options.RecordLimit: one entry per connection in the order they came, those that ended included.
func (l *lineServer) Received() [][]byte {
	l.mu.Lock()
	records := slices.Clone(l.records)
	l.mu.Unlock()
	list := make([][]byte, len(records))
	for i, r := range records {
		list[i] = r.copy()
	}
	return list
}

// Count is how many times a command (upper case) was read, over all sessions. "CONNECT" counts accepted connections.
func (l *lineServer) Count(command string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[command]
}

// Sessions lists the live connections in the order they came.
func (l *lineServer) Sessions() []Session {
	var list []Session
	for _, s := range l.live() {
		list = append(list, s.describe())
	}
	slices.SortFunc(list, func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// CloseAll ends every connection without a word and tells how many there were.
func (l *lineServer) CloseAll() int { return l.each((*lineSession).abort) }

// ResetAll ends every connection with a TCP RST.
func (l *lineServer) ResetAll() int { return l.each((*lineSession).reset) }

func (l *lineServer) each(do func(*lineSession)) int {
	list := l.live()
	for _, s := range list {
		do(s)
	}
	return len(list)
}

func (l *lineServer) live() []*lineSession {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.sessions))
}
