// Package proxy carries a mail client's session to a server that only takes OAuth2.
//
// It listens, speaks each protocol's few words before login itself (a front), asks package auth whether
// the local password is right and for an access token, logs in upstream with XOAUTH2 or OAUTHBEARER, and
// from then on relays bytes. It knows nothing of configuration files, of how tokens are got, or of where
// they live; cmd/postern puts it together and internal/control shows its sessions.
//
// Sources: RFC 9051 and RFC 3501 (IMAP), RFC 4959 (SASL-IR), RFC 2971 (ID), RFC 5530 (response codes),
// RFC 7628 (OAUTHBEARER), Google's and Microsoft's description of XOAUTH2.
package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"postern/auth"
)

// Accounts is what the proxy needs of auth: who may come in, and with which token. *auth.Manager is one.
// Its methods are called from many sessions at once.
type Accounts interface {
	// CheckPassword says which account the local user name and password open; auth.ErrWrongPassword.
	CheckPassword(ctx context.Context, user string, password auth.Secret) (auth.Login, error)
	// Token returns an access token that lives for some minutes yet; *auth.Problem when there is none.
	Token(ctx context.Context, account string) (auth.Token, error)
	// Renew returns another token than the one that the upstream refused; *auth.Problem when there is none.
	Renew(ctx context.Context, account string, refused auth.Secret) (auth.Token, error)
}

// Server accepts mail clients and carries their sessions. Fields are set before the first Serve and not
// changed afterwards. The zero value of every field but Accounts has a use.
type Server struct {
	Accounts Accounts
	// Settings are those at the start; Apply replaces them.
	Settings Settings
	// SignInURL returns the page on which a person signs an account in; nil means that the command is named instead.
	SignInURL func(account string) string
	// Dial opens the TCP connection to the upstream; nil is a net.Dialer, which tries IPv6 and IPv4 (RFC 8305).
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// NoSpares keeps the server from holding an upstream connection ready for the next login.
	NoSpares bool
	// Log takes events; nil discards them.
	Log *slog.Logger

	once      sync.Once
	current   atomic.Pointer[Settings]
	registry  registry
	penalties penalties
	sessions  atomic.Int64 // clients
	waiting   waiting      // of these, clients that have not logged in
	dialers   dialers
	knowledge knowledge
	spares    spares
	ending    atomic.Bool
	watching  atomic.Bool // over peers that may be dead
	pause     pause
	gates     gates
	troubles  lastTroubles
	stats     counters
}

// Settings is what a changed configuration changes in a running server.
type Settings struct {
	// TLS has the certificate for STARTTLS on plain listeners and for those of ListenTLS. With nil, STARTTLS is not
	// offered, and a listener of ListenTLS lets nobody in.
	TLS *tls.Config
	// AllowInsecure lets clients from other machines log in without TLS.
	AllowInsecure bool
	Limits        Limits
}

// Apply replaces the settings for what begins afterwards; sessions that are under way keep theirs. Any
// goroutine may call it.
func (s *Server) Apply(settings Settings) {
	s.prepare()
	settings.Limits = settings.Limits.withDefaults()
	s.current.Store(&settings)
}

func (s *Server) limits() Limits { return s.current.Load().Limits }

// Limits bound what clients and upstreams can make the server hold or wait for. Zero fields are the defaults.
type Limits struct {
	Sessions      int           // connections at once, default 5000
	PreLogin      int           // of these, connections that have not logged in, default 500; for one more the oldest goes
	PerMailbox    int           // sessions per mailbox and protocol, default 16: Exchange is said to allow 20
	Submissions   int           // sessions per mailbox that send, default 3: Exchange refuses a fourth
	Patience      time.Duration // for a place at a mailbox to become free, default 5s
	PreLoginTime  time.Duration // from accept to login, time spent waiting for the upstream not counted; default 2m
	LoginTime     time.Duration // for token, dial and upstream login together; default 60s
	Failures      int           // refused logins per connection, default 10
	BadCommands   int           // unknown or malformed commands per connection, default 50
	DrainTime     time.Duration // at shutdown, for sessions to reach a safe boundary; default 5s
	HalfCloseTime time.Duration // for the other side to go on, or to close, after one side has closed; default 30s
	Silence       time.Duration // of a machine that has to acknowledge bytes; default 2m; Linux only
}

// A line of an ID command may have 30 pairs of up to 1,024 octets (RFC 2971 section 3.3), quoted: 64 KiB hold it.
const (
	maxLine    = 64 << 10
	maxLiteral = 64 << 10
)

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Sessions, 5000)
	def(&l.PreLogin, 500)
	def(&l.PerMailbox, 16)
	def(&l.Submissions, 3)
	defTime(&l.Patience, 5*time.Second)
	def(&l.Failures, 10)
	def(&l.BadCommands, 50)
	defTime(&l.PreLoginTime, 2*time.Minute)
	defTime(&l.LoginTime, time.Minute)
	defTime(&l.DrainTime, 5*time.Second)
	defTime(&l.HalfCloseTime, 30*time.Second)
	defTime(&l.Silence, 2*time.Minute)
	return l
}

// prepare makes what the zero value lacks.
func (s *Server) prepare() {
	s.once.Do(func() {
		settings := s.Settings
		settings.Limits = settings.Limits.withDefaults()
		s.current.Store(&settings)
		if s.Log == nil {
			s.Log = slog.New(slog.DiscardHandler)
		}
		if s.Dial == nil {
			s.Dial = (&net.Dialer{}).DialContext
		}
	})
}
