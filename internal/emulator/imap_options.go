package emulator

import "time"

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
	PreAuthTimeout   time.Duration // from the TLS handshake to the login; 0 = 60 s, negative = none
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
