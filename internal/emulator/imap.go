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
	mailServer[*session]
	admit     admission
	mailboxes map[string]*mailbox // by address; not changed after the start
	server    *imapserver.Server
	handOff   *handOff

	// guarded by mailServer.mu
	options MailOptions
	grants  map[permission]bool
}

type permission struct{ owner, mailbox string }

// admission says whether a bearer token covers a scope, and what it allows.
type admission func(bearer, wanted string) (pass, bool)

func startIMAP(opt Options, admit admission, conf *tls.Config) (*IMAP, error) {
	m := &IMAP{admit: admit, mailboxes: make(map[string]*mailbox), options: opt.Mail, grants: make(map[permission]bool)}
	if err := m.listen("imap", opt, conf); err != nil {
		return nil, err
	}
	m.handOff = newHandOff(m.listener.Addr())
	for _, user := range opt.Users {
		mail := user.Mail
		if mail == nil {
			mail = SampleMail()
		}
		box, err := newMailbox(lower(user.Address), mail)
		if err != nil {
			m.listener.Close()
			return nil, err
		}
		m.mailboxes[lower(user.Address)] = box
	}
	m.server = imapserver.New(&imapserver.Options{
		NewSession: newMailSession,
		Logger:     slog.NewLogLogger(opt.Log.Handler(), slog.LevelDebug),
		// Only what imapserver's parser looks at: the client is shown the dialect's own list.
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapLiteralPlus: {}, imap.CapMove: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}},
	})
	m.running.Go(func() { m.server.Serve(m.handOff) })
	m.running.Go(func() {
		m.accept(func(id int, conn net.Conn, rec *record) *session { return newSession(m, id, conn, rec) })
	})
	return m, nil
}

func (m *IMAP) close() error {
	m.handOff.Close() // ends Serve; the sessions it took are among ours
	return m.mailServer.close()
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
