// Package emulator is a stand-in for Microsoft's identity platform and for Exchange's IMAP, SMTP and POP3 servers.
//
// It runs on loopback under a throw-away certificate authority, answers as the real services were observed to
// (texts, order, odd bytes), and fails on demand: every fault of identity_fault.go and mail_fault.go can be
// scripted from Go. It is not a mail server to rely on: mail is in memory, pages carry no cross-site protection,
// and id_tokens have a signature of random bytes. Mail goes to the mailboxes here and no further. As at Microsoft,
// there is no token revocation endpoint.
//
// `postern demo` and the tests call it; nothing else does, and it imports no other package of the project.
//
// Followed where they apply: RFC 6749 (OAuth 2.0), 7636 (PKCE), 7523 (client assertions), 8628 (device grant),
// 3501 (IMAP4rev1), 4959 (SASL-IR), 2177 (IDLE), 7628 (OAUTHBEARER), 6409 and 4954 (SMTP submission), 3030 (BDAT),
// 1939 and 5034 (POP3). The departures are Microsoft's.
package emulator

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Values of the zero Options: one person, one public client.
const (
	SampleUser     = "ann@example.com"
	SamplePassword = "sample password" // for the sign-in form; mail never sees it
	SampleName     = "Ann Example"
	SampleClientID = "00000000-0000-4000-8000-000000000001"

	// Each server takes tokens that cover its own scope.
	ScopeIMAP = "https://outlook.office.com/IMAP.AccessAsUser.All"
	ScopePOP  = "https://outlook.office.com/POP.AccessAsUser.All"
	ScopeSMTP = "https://outlook.office.com/SMTP.Send"
)

// Options says who exists. The zero value is one sample user with sample mail and one public client whose
// redirect is http://localhost.
type Options struct {
	Users   []User
	Clients []Client

	Policy Policy      // of the identity platform at the start; Identity.Configure changes it
	Mail   MailOptions // of IMAP at the start; IMAP.Configure changes it
	SMTP   SMTPOptions // at the start; SMTP.Configure changes it
	POP3   POP3Options // at the start; POP3.Configure changes it

	// RecordLimit is how many bytes the Received of each mail server keeps of each session, from its first one.
	// 0 = 1 MiB, negative = nothing.
	RecordLimit int

	Log *slog.Logger // nil = silent. Never receives a secret
}

// User is a person with a mailbox. One without a password can not sign in: a shared mailbox, opened by another
// person's token after IMAP.Grant.
type User struct {
	Address  string // compared without case
	Password string
	Name     string
	Work     bool // work or school account: JWT-shaped tokens of 1.5 to 2 kB. Else opaque tokens beginning "Ew"

	// Mail is what the mailbox holds at the start. nil = SampleMail; empty and not nil = no message.
	Mail []Message
}

// Message is one mail in a mailbox.
type Message struct {
	Folder string    // "" = INBOX; created when absent
	Flags  []string  // `\Seen`, `\Flagged` …
	Date   time.Time // INTERNALDATE; zero = now
	Raw    []byte    // RFC 5322, CRLF line ends
}

// Client is an app registration. With a secret or a certificate it is confidential, else public.
type Client struct {
	ID   string
	Name string // shown on the consent page; "" = the ID

	// Redirects are the registered redirect URIs; nil = http://localhost. The port of a loopback http URI is
	// ignored in matching, its path is not.
	Redirects []string

	Secrets      []string
	OldSecrets   []string            // expired ones: AADSTS7000222
	Certificates []*x509.Certificate // for private_key_jwt, RFC 7523
}

func (c *Client) public() bool { return len(c.Secrets)+len(c.OldSecrets)+len(c.Certificates) == 0 }

// Emulator is a running set of servers. Its methods may be called from any goroutine.
type Emulator struct {
	Identity *Identity
	IMAP     *IMAP
	SMTP     *SMTP
	POP3     *POP3

	authority *authority
	close     func() error
}

// Start listens on free loopback ports and returns when all servers answer. The caller owns the result and
// closes it.
func Start(opt Options) (*Emulator, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if len(opt.Users) == 0 {
		opt.Users = []User{{Address: SampleUser, Password: SamplePassword, Name: SampleName}}
	}
	if len(opt.Clients) == 0 {
		opt.Clients = []Client{{ID: SampleClientID, Name: "Sample mail client"}}
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("emulator: certificates: %w", err)
	}
	serverTLS := func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{ca.server}, MinVersion: tls.VersionTLS12}
	}
	id, err := startIdentity(opt, ca.pool(), serverTLS())
	if err != nil {
		return nil, fmt.Errorf("emulator: identity: %w", err)
	}
	mail, err := startIMAP(opt, id.admit, serverTLS())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("emulator: imap: %w", err), id.close())
	}
	id.whenExpired(mail.tokensExpired)
	smtp, err := startSMTP(opt, id.admit, mail, serverTLS())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("emulator: smtp: %w", err), mail.close(), id.close())
	}
	pop3, err := startPOP3(opt, id.admit, mail, serverTLS())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("emulator: pop3: %w", err), smtp.close(), mail.close(), id.close())
	}
	return &Emulator{
		Identity:  id,
		IMAP:      mail,
		SMTP:      smtp,
		POP3:      pop3,
		authority: ca,
		// The mailboxes end last.
		close: sync.OnceValue(func() error { return errors.Join(pop3.close(), smtp.close(), mail.close(), id.close()) }),
	}, nil
}

// Close ends every connection at once and returns when the servers' goroutines are done. A second call returns
// what the first did.
func (e *Emulator) Close() error { return e.close() }

// CA is the throw-away authority that signed the servers' certificate (localhost, 127.0.0.1, ::1).
func (e *Emulator) CA() *x509.Certificate { return e.authority.root }

// CAPool is a new pool that holds CA alone.
func (e *Emulator) CAPool() *x509.CertPool { return e.authority.pool() }

// CAPEM is CA as a PEM block, for a ca_file.
func (e *Emulator) CAPEM() []byte { return e.authority.pem() }
