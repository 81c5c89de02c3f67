package emulator

import (
	"cmp"
	"time"
)

// Dialect is whose IMAP server the emulator speaks like.
type Dialect string

const (
	Exchange Dialect = "exchange" // and the zero value
	Gmail    Dialect = "gmail"    // JSON challenge on failure, OAUTHBEARER, capabilities in the tagged OK
)

// MailOptions is how the IMAP server behaves. The zero value is Exchange Online as seen in September 2026.
type MailOptions struct {
	Dialect Dialect

	// Mechanisms are the SASL mechanisms taken. nil = the dialect's own: XOAUTH2, at Gmail OAUTHBEARER too.
	// Only {"OAUTHBEARER"} is a server of RFC 7628 alone (use it with Gmail, whose failures have the challenge).
	Mechanisms []string

	OldGreeting   bool // Exchange until 2025
	OldCapability bool // Exchange until mid 2026: AUTH=PLAIN listed, no LOGINDISABLED, "NO LOGIN failed."

	LoginBye         bool          // BYE after a refused LOGIN (seen 2026-09)
	BareContinuation bool          // "+" alone instead of "+ " asks for the SASL response; both were reported
	LoginDelay       time.Duration // before AUTHENTICATE is answered; 1 to 8 s at Microsoft
	PreAuthTimeout   time.Duration // from the connection to the login; 0 = 60 s, negative = none
	MaxPerUser       int           // sessions in a mailbox; one more is authenticated but not connected. 0 = no cap
	ExistsBeforePlus bool          // IDLE sends an EXISTS before its continuation
	KeepExpired      bool          // no BYE when the session's access token expires
}

func (o MailOptions) mechanisms() []string {
	switch {
	case o.Mechanisms != nil:
		return o.Mechanisms
	case o.gmail():
		return []string{"XOAUTH2", "OAUTHBEARER"}
	}
	return []string{"XOAUTH2"}
}

func (o MailOptions) gmail() bool { return o.Dialect == Gmail }

func (o MailOptions) preAuthTimeout() time.Duration {
	return orDefault(o.PreAuthTimeout, time.Minute)
}

// Configure changes the options for sessions accepted from now on.
func (m *IMAP) Configure(change func(*MailOptions)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.options)
}

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
	AtLogin      = "login" // the answer to AUTHENTICATE, credentials in hand
	AtAnyCommand = "*"     // every command after the login
)

// MailFault is a fault of the IMAP server.
type MailFault struct {
	Kind    FaultKind
	Mailbox string        // only sessions of this mailbox; "" = all. Not known yet AtGreeting
	Text    string        // Bye: its text. Refuse: all that follows the tag
	Backoff time.Duration // Throttle: what is suggested; 0 = 90 s
	NO      bool          // Throttle: NO, not BAD. Both occur
	Bye     bool          // Throttle: "* BYE Connection closed. 14" after it
	Delay   time.Duration // Slow
}

func (f MailFault) backoff() time.Duration { return orDefault(f.Backoff, 90*time.Second) }

// Fail makes the next n greetings, logins or commands meet f; n < 0 = every one until ClearFaults. Faults strike
// in the order of the calls.
func (m *IMAP) Fail(at string, n int, f MailFault) {
	f.Mailbox = lower(f.Mailbox)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.add(at, n, f)
}

// ClearFaults forgets every fault that has not struck yet.
func (m *IMAP) ClearFaults() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults.clear()
}

// fault takes what waits at a place for a session of mailbox ("" before the login).
func (m *IMAP) fault(at, mailbox string) (MailFault, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults.take(func(where string, f MailFault) bool {
		here := where == at || where == AtAnyCommand && at != AtGreeting && at != AtLogin
		return here && cmp.Or(f.Mailbox, mailbox) == mailbox
	})
}
