package emulator

import (
	"crypto/tls"
	"time"
)

// POP3 is Exchange's POP3 server on the mailboxes of IMAP: implicit TLS, AUTH XOAUTH2 in two lines (RFC 1939, 2449,
// 5034), then the INBOX. A message without a readable header is shown empty: the store underneath parses it.
type POP3 struct {
	*lineServer
	admit admission

	options POP3Options // guarded by mailServer.mu
}

// POP3Options is how the POP3 server behaves. The zero value is Exchange Online as seen until 2026.
type POP3Options struct {
	OldGreeting    bool          // Exchange until 2024
	MaxToken       int           // characters of an access token; a longer one is a protocol error. 0 = no limit; 4096 was reported in 2025
	LoginDelay     time.Duration // before AUTH is judged
	PreAuthTimeout time.Duration // from the TLS handshake to the login; 0 = 60 s, negative = none
}

func startPOP3(opt Options, admit admission, mail *IMAP, conf *tls.Config) (*POP3, error) {
	l, err := newLineServer("pop3", "-ERR ", opt, mail, conf)
	if err != nil {
		return nil, err
	}
	p := &POP3{lineServer: l, admit: admit, options: opt.POP3}
	l.start(p.session)
	return p, nil
}

// Configure changes the options for sessions accepted from now on.
func (p *POP3) Configure(change func(*POP3Options)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.options)
}

func (p *POP3) currentOptions() POP3Options {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.options
}

// What Exchange's POP3 says, word for word where a log has it (2020 to 2026).
const (
	popAccepted      = "+OK User successfully authenticated."
	popRefused       = "-ERR Authentication failure: unknown user name or bad password." // whatever the cause
	popNoPassword    = "-ERR Logon failure: unknown user name or bad password."
	popProtocolError = "-ERR Protocol error. Connection is closed. 10"
	popBadState      = "-ERR Command is not valid in this state."
	popBadCommand    = "-ERR Protocol error. 14"
	popBadArgument   = "-ERR Protocol error. 11"
	popNoMessage     = "-ERR The specified message is out of range."
	popUnavailable   = "-ERR [SYS/TEMP] Server Unavailable. 21"
	popGoodbye       = "+OK Microsoft Exchange Server POP3 server signing off."
)

func (o POP3Options) greeting() string {
	if o.OldGreeting {
		return "+OK The Microsoft Exchange POP3 service is ready. [" + serverBlob(serverName) + "]"
	}
	return "+OK Microsoft Exchange POP3 server ready (tcpproxy/15.21.0406.000). [" + serverBlob(serverName) + "]"
}

// popCapabilities answers CAPA (RFC 2449). PLAIN and USER are listed and good for nothing.
func popCapabilities() []string {
	return []string{"+OK", "TOP", "UIDL", "SASL PLAIN XOAUTH2", "USER", "."}
}
