package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
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
	a.isDaemon = true
	host, port, err := net.SplitHostPort(a.o.addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return usageError("an address is host:port, such as 127.0.0.1:0 for a free port", "--addr: %w", err)
	}
	if !config.Loopback(host) {
		return usageError("an address of this machine only, such as 127.0.0.1:1143",
			"--addr: %s can be reached from other machines, and the demo takes its password without TLS", a.o.addr)
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
	d.control.Recent = &a.recent
	defer d.close()
	if err := d.listen(&config.Config{Listen: demoListen(a.o.addr)}); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return failed(errors.Unwrap(err), "another program has that port; this takes a free one: postern demo --addr 127.0.0.1:0")
		}
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

// demoListen puts SMTP and POP3 beside IMAP: at their usual ports if IMAP is at its own and they are free.
func demoListen(imap string) config.Listen {
	l := config.Listen{IMAP: imap, SMTP: "127.0.0.1:0", POP3: "127.0.0.1:0", Web: "127.0.0.1:0"}
	if host, _, err := net.SplitHostPort(imap); err == nil {
		l.SMTP, l.POP3 = net.JoinHostPort(host, "0"), net.JoinHostPort(host, "0")
	}
	if imap != usualAddress["imap"] {
		return l
	}
	for key, to := range map[string]*string{"smtp": &l.SMTP, "pop3": &l.POP3} {
		if ln, err := net.Listen("tcp", usualAddress[key]); err == nil {
			ln.Close()
			*to = usualAddress[key]
		}
	}
	return l
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
	return a.watched(newLogger(a.ui.err, level, format))
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
			Scopes:       []string{emulator.ScopeIMAP, emulator.ScopePOP, emulator.ScopeSMTP, "offline_access"},
			IMAP:         outlook.IMAP.Addr(),
			SMTP:         outlook.SMTP.Addr(),
			POP3:         outlook.POP3.Addr(),
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
	web, err := d.control.StandingLink()
	if err != nil {
		return err
	}
	imap, smtp, pop3 := d.address("imap"), d.address("smtp"), d.address("pop3")
	if a.o.json {
		return a.ui.json(struct {
			Address  string `json:"address"` // of IMAP
			SMTP     string `json:"smtp"`
			POP3     string `json:"pop3"`
			User     string `json:"user"`
			Password string `json:"password"`
			Web      string `json:"web"`
		}{imap, smtp, pop3, emulator.SampleUser, password.Reveal(), web})
	}
	a.ui.print("%s", strings.NewReplacer("{imap}", imap, "{smtp}", smtp, "{pop3}", pop3, "{web}", web,
		"{user}", emulator.SampleUser, "{password}", password.Reveal()).Replace(demoText))
	return nil
}

const demoText = `Postern demo: a mailbox that takes only OAuth2, behind logins with a password.

  IMAP       {imap}
  SMTP       {smtp}
  POP3       {pop3}
             all without TLS
  user name  {user}
  password   {password}
  web page   {web}

Read the first message, by IMAP or by POP3:

  curl --url 'imap://{imap}/INBOX;MAILINDEX=1' --user '{user}:{password}'
  curl --url 'pop3://{pop3}/1' --user '{user}:{password}'

Send one, which comes back to the same mailbox:

  printf 'Subject: hello\r\n\r\nSent through Postern.\r\n' | curl --url 'smtp://{smtp}' --user '{user}:{password}' --mail-from '{user}' --mail-rcpt '{user}' --upload-file -
  swaks --server {smtp} --auth PLAIN --auth-user '{user}' --auth-password '{password}' --from '{user}' --to '{user}'

Ctrl-C ends the demo and leaves nothing behind.
`
