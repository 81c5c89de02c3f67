// Package control shows a running daemon and takes orders for it: a local API on a Unix socket, which the
// command line uses, and the web page for a person. It owns no account, token or session; it asks auth
// and proxy. cmd/postern starts it.
package control

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postern/auth"
	"postern/proxy"
)

// Accounts is what control needs of auth. *auth.Manager is one.
type Accounts interface {
	Account(ctx context.Context, email string) (auth.Account, error)
	Status(ctx context.Context) ([]auth.AccountStatus, error)
	Stats() auth.Stats
	SignIns
	Passwords
}

// SignIns is how accounts come to their tokens and lose them.
type SignIns interface {
	BeginBrowser(ctx context.Context, email string) (*auth.BrowserSignIn, error)
	SignInApp(ctx context.Context, email string) error
	Logout(ctx context.Context, email string) error
}

// Passwords makes, lists and revokes local passwords.
type Passwords interface {
	Passwords(ctx context.Context, email string) ([]auth.PasswordInfo, error)
	AddPassword(ctx context.Context, email string, n auth.NewPassword) (auth.Secret, auth.PasswordInfo, error)
	RevokePassword(ctx context.Context, email, idOrLabel string) (auth.PasswordInfo, error)
}

// Sessions is what control needs of proxy. *proxy.Server is one.
type Sessions interface {
	Sessions() []proxy.SessionInfo
	EndSessions(account string, why error) int
	EndPassword(account, id string, why error) int
	Stats() proxy.Stats
	Pausing
}

// Pausing is how the daemon stands aside for a while. *proxy.Server does, and says more.
type Pausing interface {
	// Pause keeps mail clients out and ends the live sessions; changed is false when they were kept out before.
	Pause() (ended int, changed bool)
	// Resume lets them in again; changed is false when they were not kept out.
	Resume() (changed bool)
	// PausedSince is zero while mail clients are let in.
	PausedSince() time.Time
}

// Server answers for one daemon. All fields that have no nil of their own must be set before the first request, and its
// functions may be called by any goroutine, as its methods may.
type Server struct {
	Accounts  Accounts
	Sessions  Sessions
	Version   string
	Key       func() string // where the key that protects the tokens is, for people; nil does not say
	Listeners func() []Listener
	Reload    func() error // puts a changed configuration into force
	Log       *slog.Logger // nil discards
	Started   time.Time    // when the daemon began
	Tunnels   Tunnels      // nil offers none
	Recent    *Recent      // nil shows no events
	Clients   *Clients     // nil shows only where to connect

	tunnels  sync.RWMutex // each tunnel under way holds it for reading
	visitors visitors
	watching atomic.Int32 // pages that are kept up to date
}

// Listener is one address that the daemon listens on.
type Listener struct {
	Name    string `json:"name"` // the configuration key: imap, imaps, web …
	Address string `json:"address"`
	TLS     bool   `json:"-"` // TLS is on, or offered by STARTTLS
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
