package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"postern/auth"
	"postern/internal/config"
)

func clientFlags(f *flag.FlagSet, o *options) {
	f.BoolVar(&o.tokenHelper, "token", false, "for a client that speaks XOAUTH2 itself and gets its tokens from postern token")
	f.BoolVar(&o.tunnel, "tunnel", false, "for a client that runs postern connect in place of a connection")
	f.BoolVar(&o.overTLS, "tls", false, "with TLS between the client and Postern")
}

// runClient prints one client's settings, alone on standard output, so that they can go into its file.
func runClient(ctx context.Context, a *app, args []string) error {
	switch len(args) {
	case 0:
		return a.listClients()
	case 1, 2:
	default:
		return usageError("", "unexpected argument %q", args[2])
	}
	p, err := findClient(args[0])
	if err != nil {
		return err
	}
	if a.o.tokenHelper && !p.token {
		return usageError("leave --token away: it logs in with a local password", "%s has no settings with --token: it can not take tokens from a command", p.name)
	}
	if a.o.tunnel && !p.tunnel {
		return usageError("leave --tunnel away: it connects by itself", "%s has no settings with --tunnel: it can not run a command in place of a connection", p.name)
	}
	if a.o.tunnel && (a.o.tokenHelper || a.o.overTLS) {
		return usageError("one of them", "--tunnel goes with neither --token nor --tls")
	}
	s, err := a.clientSettings(ctx, p, args[1:])
	if err != nil {
		return err
	}
	text, err := p.settings(s)
	if err != nil {
		return err
	}
	a.ui.print("%s", text)
	a.sayWhatToDo(p, s)
	return nil
}

func (a *app) listClients() error {
	for _, p := range clientPrograms() {
		extra := ""
		switch {
		case p.tunnel:
			extra = " (also with --token or --tunnel)"
		case p.token:
			extra = " (also with --token)"
		}
		a.ui.print("%-12s %s%s\n", p.name, p.title, extra)
	}
	return nil
}

// sayWhatToDo goes to standard error: the settings alone belong into the client's file.
func (a *app) sayWhatToDo(p clientProgram, s clientSettings) {
	if p.goes != "" {
		a.ui.say("these go to: %s", s.say(p.goes))
	}
	if s.Tunnel {
		a.ui.say("no password is needed: postern connect runs as you")
	} else if s.Token {
		a.ui.say("no password is needed: postern token gives the program a token each time")
	} else {
		a.ui.say("the password is the one that this prints, once: postern password add %s --label %s", s.Email, p.name)
	}
	if p.note != "" {
		a.ui.say("%s", s.say(p.note))
	}
	if s.Token && p.tokenNote != "" {
		a.ui.say("%s", p.tokenNote)
	}
}

// clientSettings collects what the templates need, and says which listener is missing.
func (a *app) clientSettings(ctx context.Context, p clientProgram, email []string) (clientSettings, error) {
	m, err := a.accounts()
	if err != nil {
		return clientSettings{}, err
	}
	account, err := theAccount(ctx, m, email)
	if err != nil {
		return clientSettings{}, err
	}
	s := clientSettings{Client: p.name, Email: account.Email, Mailbox: account.Mailbox, Token: a.o.tokenHelper, Tunnel: a.o.tunnel}
	s.program = a.commandLine()
	if s.Tunnel {
		return s, nil
	}
	if s.Token {
		if err := s.useProvider(account.Provider, a.cfg.Provider[account.Provider.Name].CAFile); err != nil {
			return s, err
		}
		return s, s.need(p, "the provider "+account.Provider.Name+" has none", "")
	}
	if err := a.useListeners(ctx, &s); err != nil {
		return s, err
	}
	where := cmp.Or(a.cfg.Path, config.DefaultPath(), "the configuration file")
	return s, s.need(p, "it is off", where)
}

// theAccount is the one that is named, or the only one there is.
func theAccount(ctx context.Context, m *auth.Manager, email []string) (auth.Account, error) {
	if len(email) == 1 {
		return m.Account(ctx, email[0])
	}
	all, err := m.Accounts(ctx)
	if err != nil {
		return auth.Account{}, err
	}
	switch len(all) {
	case 1:
		return m.Account(ctx, all[0].Email)
	case 0:
		return auth.Account{}, failed(errors.New("there is no account yet"), `"postern setup" or "postern account add EMAIL" makes one`)
	}
	names := make([]string, 0, len(all))
	for _, account := range all {
		names = append(names, account.Email)
	}
	return auth.Account{}, usageError("name one of "+strings.Join(names, ", "), "there are %d accounts: which one", len(all))
}

// need fails when the client can not do without something that is not there.
func (s clientSettings) need(p clientProgram, why, where string) error {
	for _, key := range p.needs {
		if p.noStartTLS && s.server(key).StartTLS {
			return configError(fmt.Errorf("%s needs TLS from the first byte: it knows no STARTTLS", p.name), `under [listen] set imaps = "127.0.0.1:1993"`)
		}
		if s.server(key).On() {
			continue
		}
		if where == "" {
			return configError(fmt.Errorf("%s needs an %s server: %s", p.name, strings.ToUpper(key), why), "leave --token away, or use another client")
		}
		cure := fmt.Sprintf("under [listen] set %s = %q in %s, then postern reload and postern login %s", key, usualAddress[key], where, s.Email)
		if key == "smtp" {
			cure = "postern setup " + s.Email + " --send switches it on"
		}
		return configError(fmt.Errorf("%s needs listen.%s: %s", p.title, key, why), cure)
	}
	return nil
}

// usualAddress is what config.example.toml recommends.
var usualAddress = map[string]string{"imap": "127.0.0.1:1143", "smtp": "127.0.0.1:1587", "pop3": "127.0.0.1:1110"}

func findClient(name string) (clientProgram, error) {
	var names []string
	for _, p := range clientPrograms() {
		if strings.EqualFold(p.name, name) {
			return p, nil
		}
		names = append(names, p.name)
	}
	return clientProgram{}, usageError("one of "+strings.Join(names, ", "), "no settings for a client %q", name)
}
