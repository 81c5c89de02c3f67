package emulator

import "fmt"

// Grant lets an owner's token open a mailbox: Full Access on a shared one. owner is an address, or a client id for
// app-only tokens.
func (m *IMAP) Grant(owner, mailbox string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.grants[permission{lower(owner), lower(mailbox)}] = true
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
