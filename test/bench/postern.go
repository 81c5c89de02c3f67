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
	"time"

	"postern/auth"
	"postern/internal/memory"
	"postern/proxy"
)

// servePostern runs this tree's proxy as the daemon does, with its log written to nowhere.
func servePostern(s setup) (service, error) {
	config, err := s.Certificate.server()
	if err != nil {
		return service{}, err
	}
	memory.Tune() // as the daemon does
	server := &proxy.Server{
		Accounts: &fixedAccounts{
			hash:     sha256.Sum256([]byte(localPassword)),
			token:    auth.NewSecret(accessToken()),
			upstream: s.Upstream,
			lines:    s.Lines,
			roots:    s.Certificate.pool(),
		},
		Settings: proxy.Settings{TLS: config, Limits: proxy.Limits{Sessions: 2*s.Sessions + 100, PerMailbox: 2*s.Sessions + 100, Submissions: 2*s.Sessions + 100}},
		NoSpares: s.NoSpares,
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	doors := []struct {
		speaks proxy.Protocol
		wrap   func(net.Listener) net.Listener
	}{{proxy.IMAP(), nil}, {proxy.IMAP(), proxy.ListenTLS}, {proxy.SMTP(), nil}, {proxy.POP3(), nil}}
	var addresses []string
	for _, door := range doors {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return service{}, err
		}
		if door.wrap != nil {
			ln = door.wrap(ln)
		}
		addresses = append(addresses, ln.Addr().String())
		go func() {
			if err := server.Serve(context.Background(), ln, door.speaks); err != nil {
				fmt.Fprintf(os.Stderr, "bench: postern: %v\n", err)
			}
		}()
	}
	return service{address: addresses[0], tlsAddress: addresses[1], lines: lineDoors{SMTP: addresses[2], POP3: addresses[3]}}, nil
}

// fixedAccounts lets everybody in who has the password, which it checks as auth checks a generated one,
// with a token that is always fresh.
type fixedAccounts struct {
	hash     [sha256.Size]byte
	token    auth.Secret
	upstream string
	lines    lineDoors
	roots    *x509.CertPool
}

func (a *fixedAccounts) CheckPassword(_ context.Context, user string, password auth.Secret) (auth.Login, error) {
	hash := sha256.Sum256([]byte(password.Reveal()))
	if subtle.ConstantTimeCompare(hash[:], a.hash[:]) != 1 {
		return auth.Login{}, auth.ErrWrongPassword
	}
	return auth.Login{Label: "bench", Account: auth.Account{
		Email: user, Mailbox: user, Provider: auth.Provider{
			Name: "bench", IMAP: a.upstream, SMTP: a.lines.SMTP, POP3: a.lines.POP3, RootCAs: a.roots,
			IMAPOffers: auth.BuiltIn()["outlook"].IMAPOffers, // the server plays Exchange
		},
	}}, nil
}

func (a *fixedAccounts) Token(context.Context, string) (auth.Token, error) {
	now := time.Now()
	return auth.Token{Access: a.token, Issued: now, Expiry: now.Add(time.Hour)}, nil
}

func (a *fixedAccounts) Renew(ctx context.Context, account string, _ auth.Secret) (auth.Token, error) {
	return a.Token(ctx, account)
}
