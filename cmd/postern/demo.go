package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"postern/auth"
	"postern/internal/config"
	"postern/internal/emulator"
	"postern/internal/store"
	"postern/proxy"
)

// runDemo runs the same daemon as serve does, on an embedded stand-in for Microsoft and a store in memory.
func runDemo(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	log, err := a.demoLog()
	if err != nil {
		return err
	}
	outlook, err := emulator.Start(emulator.Options{Log: log})
	if err != nil {
		return fmt.Errorf("the stand-in: %w", err)
	}
	defer outlook.Close()
	m, err := demoAccounts(outlook, log)
	if err != nil {
		return err
	}
	defer m.Close()
	d := newDaemon(m, &proxy.Server{}, log)
	defer d.close()
	if err := d.listen(&config.Config{Listen: config.Listen{IMAP: a.o.addr, Web: "127.0.0.1:0"}}); err != nil {
		return err
	}
	if err := demoSignIn(ctx, outlook, m); err != nil {
		return fmt.Errorf("sign in at the stand-in: %w", err)
	}
	password, _, err := m.AddPassword(ctx, emulator.SampleUser, auth.NewPassword{Label: "demo"})
	if err != nil {
		return err
	}
	if err := a.showDemo(d, password); err != nil {
		return err
	}
	return d.run(ctx)
}

// demoLog keeps quiet about what goes well: the person reads the lines to copy.
func (a *app) demoLog() (*slog.Logger, error) {
	level, format := "warn", "text"
	if a.o.global.logLevel != "" {
		level = a.o.global.logLevel
	}
	if a.o.global.logFormat != "" {
		format = a.o.global.logFormat
	}
	return newLogger(a.ui.err, level, format)
}

func demoAccounts(outlook *emulator.Emulator, log *slog.Logger) (*auth.Manager, error) {
	return auth.New(auth.Options{
		Store: store.NewMemory(),
		Providers: map[string]auth.Provider{"demo": {
			Name:         "demo",
			AuthorizeURL: outlook.Identity.AuthorizeURL("{tenant}"),
			TokenURL:     outlook.Identity.TokenURL("{tenant}"),
			DeviceURL:    outlook.Identity.DeviceURL("{tenant}"),
			Tenant:       "common",
			Scopes:       []string{emulator.ScopeIMAP, "offline_access"},
			IMAP:         outlook.IMAP.Addr(),
			RootCAs:      outlook.CAPool(),
		}},
		Declared: []auth.Account{{
			Email: emulator.SampleUser, Provider: auth.Provider{Name: "demo"}, ClientID: emulator.SampleClientID, Flow: auth.FlowBrowser, Declared: true,
		}},
		Log: log,
	})
}

// demoSignIn goes through the real sign-in; the stand-in plays the person at the browser.
func demoSignIn(ctx context.Context, outlook *emulator.Emulator, m *auth.Manager) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	begun, err := m.BeginBrowser(ctx, emulator.SampleUser)
	if err != nil {
		return err
	}
	defer begun.Close()
	last, err := outlook.Identity.Visit(ctx, begun.URL(), emulator.Person{Address: emulator.SampleUser})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, last.String(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	return begun.Wait(ctx)
}

func (a *app) showDemo(d *daemon, password auth.Secret) error {
	address, web := d.address("imap"), "http://"+d.address("web")+"/"
	if a.o.json {
		return a.ui.json(struct {
			Address  string `json:"address"`
			User     string `json:"user"`
			Password string `json:"password"`
			Web      string `json:"web"`
		}{address, emulator.SampleUser, password.Reveal(), web})
	}
	a.ui.print(`Postern demo: a mailbox that takes only OAuth2, behind an IMAP login with a password.

  server     %s, no TLS
  user name  %s
  password   %s
  web page   %s

Read the first message:

  curl --url 'imap://%s/INBOX;MAILINDEX=1' --user '%s:%s'

Ctrl-C ends the demo and leaves nothing behind.
`, address, emulator.SampleUser, password.Reveal(), web, address, emulator.SampleUser, password.Reveal())
	return nil
}
