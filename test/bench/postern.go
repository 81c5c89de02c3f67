package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"postern/auth"
	"postern/proxy"
)

// servePostern runs this tree's proxy as the daemon does, with its log written to nowhere.
func servePostern(s setup) (service, error) {
	config, err := s.Certificate.server()
	if err != nil {
		return service{}, err
	}
	debug.SetGCPercent(50) // as the daemon does
	server := &proxy.Server{
		Accounts: &fixedAccounts{
			hash:     sha256.Sum256([]byte(localPassword)),
			token:    auth.NewSecret(accessToken()),
			upstream: s.Upstream,
			roots:    s.Certificate.pool(),
		},
		Settings: proxy.Settings{TLS: config, Limits: proxy.Limits{Sessions: 2*s.Sessions + 100, PerMailbox: 2*s.Sessions + 100}},
		NoSpares: s.NoSpares,
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return service{}, err
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return service{}, err
	}
	for _, ln := range []net.Listener{plain, proxy.ListenTLS(secure)} {
		go func() {
			if err := server.Serve(context.Background(), ln, proxy.IMAP()); err != nil {
				fmt.Fprintf(os.Stderr, "bench: postern: %v\n", err)
			}
		}()
	}
	return service{address: plain.Addr().String(), tlsAddress: secure.Addr().String()}, nil
}

// fixedAccounts lets everybody in who has the password, which it checks as auth checks a generated one,
// with a token that is always fresh.
type fixedAccounts struct {
	hash     [sha256.Size]byte
	token    auth.Secret
	upstream string
	roots    *x509.CertPool
}

func (a *fixedAccounts) CheckPassword(_ context.Context, user string, password auth.Secret) (auth.Login, error) {
	hash := sha256.Sum256([]byte(password.Reveal()))
	if subtle.ConstantTimeCompare(hash[:], a.hash[:]) != 1 {
		return auth.Login{}, auth.ErrWrongPassword
	}
	return auth.Login{Label: "bench", Account: auth.Account{
		Email: user, Mailbox: user, Provider: auth.Provider{Name: "bench", IMAP: a.upstream, RootCAs: a.roots},
	}}, nil
}

func (a *fixedAccounts) Token(context.Context, string) (auth.Token, error) {
	now := time.Now()
	return auth.Token{Access: a.token, Issued: now, Expiry: now.Add(time.Hour)}, nil
}

func (a *fixedAccounts) Renew(ctx context.Context, account string, _ auth.Secret) (auth.Token, error) {
	return a.Token(ctx, account)
}
