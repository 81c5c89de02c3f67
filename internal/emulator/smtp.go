package emulator

import (
	"cmp"
	"crypto/tls"
	"net"
	"slices"
	"time"
)

// SMTP is Exchange's server for submission: STARTTLS, then AUTH XOAUTH2 (RFC 6409, 4954, 3207). Accepted messages
// are kept for Messages, put into the INBOX of every recipient who has a mailbox here, and into the sender's Sent
// folder. Their bytes are not changed: no Received line is added.
type SMTP struct {
	*lineServer
	admit admission

	// guarded by mailServer.mu
	options  SMTPOptions
	messages []Submission
	sendAs   map[sender]bool
}

type sender struct{ mailbox, address string }

// SMTPOptions is how the SMTP server behaves. The zero value is Exchange Online as seen until 2026.
type SMTPOptions struct {
	NoInitialResponse bool          // AUTH XOAUTH2 with its response in the same line is refused, as for personal accounts in spring 2023
	TenantDisabled    bool          // 535 5.7.139: switched off for the tenant. Disable does it for a mailbox
	MaxPerUser        int           // sessions of a mailbox; one more hears 432 4.3.2. 0 = 3, negative = no cap
	MaxSize           int64         // bytes of a message; 0 = 157286400
	FailureDelay      time.Duration // before a refused AUTH is answered; 5 s was seen
	LoginDelay        time.Duration // before AUTH is judged
	PreAuthTimeout    time.Duration // from the connection to the login; 0 = 60 s, negative = none
}

func (o SMTPOptions) maxPerUser() int { return cmp.Or(o.MaxPerUser, 3) }
func (o SMTPOptions) maxSize() int64  { return cmp.Or(o.MaxSize, 157286400) }

// Submission is an accepted message.
type Submission struct {
	Mailbox    string            // who was logged in
	From       string            // of MAIL; "" = the null sender
	To         []string          // of RCPT, in their order
	Parameters map[string]string // of MAIL: SIZE, BODY, SMTPUTF8, RET, ENVID …; names in upper case
	Notify     []string          // the parameters of each RCPT, as they came
	BDAT       bool              // it came in chunks (RFC 3030)
	Raw        []byte            // as it was sent, without dot-stuffing; not to be changed
}

func startSMTP(opt Options, admit admission, mail *IMAP, conf *tls.Config) (*SMTP, error) {
	l, err := newLineServer("smtp", "421 4.3.2 ", opt, mail, conf)
	if err != nil {
		return nil, err
	}
	s := &SMTP{lineServer: l, admit: admit, options: opt.SMTP, sendAs: make(map[sender]bool)}
	l.start(s.session)
	return s, nil
}

// Configure changes the options for sessions accepted from now on.
func (s *SMTP) Configure(change func(*SMTPOptions)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

func (s *SMTP) currentOptions() SMTPOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

// SendAs lets whoever is logged in to mailbox send from address. Its own address every mailbox may use.
func (s *SMTP) SendAs(mailbox, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendAs[sender{lower(mailbox), lower(address)}] = true
}

// maySend tells whether a mailbox may send from an address. From the null sender it may, as notifications do.
func (s *SMTP) maySend(mailbox, address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return address == "" || lower(address) == mailbox || s.sendAs[sender{mailbox, lower(address)}]
}

// Messages are the accepted ones so far, in their order.
func (s *SMTP) Messages() []Submission {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// register logs a session in, unless the mailbox has as many as it may.
func (s *SMTP) register(session *lineSession, l *login, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := 0
	for _, other := range s.sessions {
		if other.mailbox() == l.mailbox {
			count++
		}
	}
	if most >= 0 && count >= most {
		return false
	}
	session.began(l)
	return true
}

// deliver keeps a message and puts it where its recipients and its sender find it.
func (s *SMTP) deliver(m Submission) error {
	for _, to := range m.To {
		box := s.mail.mailboxes[lower(to)]
		if box == nil {
			continue // somebody elsewhere
		}
		if err := box.add(Message{Raw: m.Raw}); err != nil {
			return err
		}
	}
	if err := s.mail.mailboxes[m.Mailbox].add(Message{Folder: "Sent", Flags: []string{`\Seen`}, Raw: m.Raw}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	return nil
}

// clientHost is how EHLO greets the client.
func clientHost(addr net.Addr) string {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "[127.0.0.1]"
	}
	return "[" + host + "]"
}
