package emulator

import (
	"cmp"
	"time"
)

// FaultKind is one way for a session to go wrong.
type FaultKind string

const (
	Throttle       FaultKind = "throttle"         // tagged "BAD|NO Request is throttled. Suggested Backoff Time: N milliseconds"
	Unavailable    FaultKind = "unavailable"      // the bare line "Server Unavailable. 15", then "* BYE Connection closed. 14"
	NotConnected   FaultKind = "not connected"    // "BAD User is authenticated but not connected." twice, then BYE
	Refuse         FaultKind = "refuse"           // tagged "NO AUTHENTICATE failed.", for a command "BAD Command Error. 10"
	Bye            FaultKind = "bye"              // "* BYE text", and the end
	Silence        FaultKind = "silence"          // nothing any more; the connection stays open. Also: no greeting
	Reset          FaultKind = "reset"            // TCP RST
	ResetInLiteral FaultKind = "reset in literal" // TCP RST in the middle of the next literal sent
	Endless        FaultKind = "endless"          // a greeting that never ends its line
	Slow           FaultKind = "slow"             // Delay, then as usual
)

// Where a MailFault strikes, beside the names of commands ("FETCH", "UID FETCH", "IDLE" …).
const (
	AtGreeting   = "greeting"
	AtLogin      = "login"   // the answer to AUTHENTICATE, credentials in hand
	AtAnyCommand = "*"       // every command after the login
	AtMessage    = "message" // the answer to a message's end; SMTP only
)

// MailFault is a fault of a mail server. The comments are IMAP's; SMTP and POP3 know Refuse, whose Text is the whole
// answer, Bye, Silence, Reset, Slow and, for what POP3 sends, ResetInLiteral.
type MailFault struct {
	Kind    FaultKind
	Mailbox string        // only sessions of this mailbox; "" = all. Not known yet AtGreeting
	Text    string        // Bye: its text, "" = "Connection is closed. 13". Refuse: all that follows the tag
	Backoff time.Duration // Throttle: what is suggested; 0 = 90 s
	NO      bool          // Throttle: NO, not BAD. Both occur
	Bye     bool          // Throttle: "* BYE Connection closed. 14" after it
	Delay   time.Duration // Slow
}

func (f MailFault) backoff() time.Duration { return orDefault(f.Backoff, 90*time.Second) }

// Fail makes the next n greetings, logins, commands or messages meet f; n < 0 = every one until ClearFaults. Faults
// strike in the order of the calls.
func (m *mailServer[S]) Fail(at string, n int, f MailFault) {
	f.Mailbox = lower(f.Mailbox)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.add(at, n, f)
}

// ClearFaults forgets every fault that has not struck yet.
func (m *mailServer[S]) ClearFaults() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.clear()
}

// fault takes what waits at a place for a session of mailbox ("" before the login).
func (m *mailServer[S]) fault(at, mailbox string) (MailFault, bool) {
	isCommand := at != AtGreeting && at != AtLogin && at != AtMessage
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults.take(func(where string, f MailFault) bool {
		here := where == at || where == AtAnyCommand && isCommand
		return here && cmp.Or(f.Mailbox, mailbox) == mailbox
	})
}
