package emulator

// opens is who a login as user would be, with what a token allows; nil when the mailbox is not theirs.
func (m *IMAP) opens(p pass, user string) *login {
	l := &login{mailbox: lower(user), owner: p.owner, token: p.token, box: m.mailboxes[lower(user)]}
	m.mu.Lock()
	defer m.mu.Unlock()
	mine := !p.app && l.mailbox == lower(p.owner)
	if l.box == nil || !mine && !m.grants[permission{lower(p.owner), l.mailbox}] {
		return nil
	}
	return l
}
