package emulator

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Grant lets an owner's token open a mailbox: Full Access on a shared one. owner is an address, or a client id for
// app-only tokens.
func (m *IMAP) Grant(owner, mailbox string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.grants[permission{lower(owner), lower(mailbox)}] = true
}

// Disable switches IMAP off (or on again) for a mailbox: logins succeed and are not connected.
func (m *IMAP) Disable(mailbox string, off bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disabled[lower(mailbox)] = off
}

// Deliver puts a message (CRLF line ends) into a folder, which is created when absent ("" = INBOX). Sessions in
// IDLE there hear EXISTS.
func (m *IMAP) Deliver(mailbox, folder string, raw []byte) error {
	box := m.mailboxes[lower(mailbox)]
	if box == nil {
		return fmt.Errorf("emulator: no mailbox %q", mailbox)
	}
	return box.add(Message{Folder: folder, Raw: raw})
}

// Session describes a live connection to the IMAP server.
type Session struct {
	ID      int // 1 is the first connection; Received is in this order
	Remote  string
	Mailbox string // "" before the login
	Owner   string // of the access token
	State   string // "login", "ready", "idle", "not connected", "frozen"
	Since   time.Time
}

// Sessions lists the live connections in the order they came.
func (m *IMAP) Sessions() []Session {
	var list []Session
	for _, s := range m.live("") {
		list = append(list, s.describe())
	}
	slices.SortFunc(list, func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Received is every byte that each connection has sent so far, after TLS, up to Options.RecordLimit: one entry per
// connection in the order they came, those that ended included.
func (m *IMAP) Received() [][]byte {
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
func (m *IMAP) Count(command string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[command]
}

// CloseAll ends every connection without BYE and tells how many there were.
func (m *IMAP) CloseAll() int { return each(m.live(""), func(s *session) { s.abort() }) }

// ResetAll ends every connection with a TCP RST.
func (m *IMAP) ResetAll() int { return each(m.live(""), (*session).reset) }

// SendBye sends "* BYE text" on a mailbox's sessions ("" = all) and closes them.
func (m *IMAP) SendBye(mailbox, text string) int {
	return each(m.live(mailbox), func(s *session) { s.bye(text) })
}

// Freeze makes a mailbox's sessions ("" = all) fall silent without closing them: a firewall that drops.
func (m *IMAP) Freeze(mailbox string) int {
	return each(m.live(mailbox), func(s *session) { s.frozen.Store(true) })
}

// tokensExpired is told of tokens that Identity.ExpireAccess ended.
func (m *IMAP) tokensExpired(ended map[*accessToken]bool) {
	for _, s := range m.live("") {
		if s.login.Load() != nil && ended[s.login.Load().token] {
			s.tokenExpired()
		}
	}
}

func (m *IMAP) live(mailbox string) []*session {
	mailbox = lower(mailbox)
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*session
	for _, s := range m.sessions {
		if mailbox == "" || s.mailbox() == mailbox {
			list = append(list, s)
		}
	}
	return list
}

func each(list []*session, do func(*session)) int {
	for _, s := range list {
		do(s)
	}
	return len(list)
}

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
