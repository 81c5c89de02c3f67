package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"postern/auth"
	"postern/internal/config"
	"postern/internal/control"
)

// askSending is the question whether mail is to be sent as well, as long as no listener takes it.
func (s *setup) askSending(ctx context.Context) error {
	p := s.account.Provider
	canSend := cmp.Or(s.cfg.Provider[p.Name].SMTP, auth.BuiltIn()[p.Name].SMTP) != ""
	switch {
	case s.o.send && !canSend:
		return usageError("leave --send away", "--send: the provider %s has no SMTP server", p.Name)
	case s.o.send:
		s.sends = true
	case s.asks && canSend && s.cfg.Listen.SMTP == "":
		yes, err := s.ui.confirm(ctx, "send mail through Postern as well, not only read it")
		s.sends = yes
		return err
	}
	return nil
}

// openSMTP puts the listener for sending into the configuration, which decides too what the sign-in asks for.
func (s *setup) openSMTP(ctx context.Context) error {
	if !s.sends || s.cfg.Listen.SMTP != "" {
		return nil
	}
	file := cmp.Or(s.cfg.Path, config.DefaultPath())
	if file == "" {
		return failed(errors.New("no configuration file: the environment has no home"), "name one with --config FILE")
	}
	address, err := addressForSMTP(ctx, s.cfg.Listen.IMAP)
	if err == nil {
		err = config.SetListen(file, builtInProviders(), "smtp", address)
	}
	if err != nil {
		return failed(fmt.Errorf("sending is off: %w", err),
			fmt.Sprintf("under [listen] set smtp = %q in %s, then run postern setup %s again", cmp.Or(address, usualAddress["smtp"]), file, s.account.Email))
	}
	s.ui.say("mail to send is taken at %s: written into %s, under [listen]", address, file)
	return s.takeConfiguration(ctx)
}

// takeConfiguration goes on with the changed file, and has a running daemon do the same.
func (s *setup) takeConfiguration(ctx context.Context) error {
	s.cfg = nil
	cfg, err := s.config()
	if err != nil {
		return err
	}
	providers, err := providersOf(cfg)
	if err != nil {
		return err
	}
	if err := s.m.Reconfigure(providers, declaredAccounts(cfg), protocolsOf(cfg.Listen)); err != nil {
		return configError(err, "")
	}
	if s.account, err = s.m.Account(ctx, s.account.Email); err != nil {
		return err
	}
	if err := control.NewClient(s.stateDir()).Reload(ctx); err != nil && !errors.Is(err, control.ErrNotRunning) {
		s.ui.say("the daemon that runs does not take the changed configuration: %v; then: postern reload", err)
	}
	return nil
}

// addressForSMTP is beside IMAP: on the same address of this machine, at the usual port or the next that no other
// program has, because a daemon whose port is taken does not start at all. Port 0 takes a free one each time.
func addressForSMTP(ctx context.Context, imap string) (string, error) {
	host, usual, err := net.SplitHostPort(usualAddress["smtp"])
	if err != nil {
		return "", err
	}
	if imapHost, port, err := net.SplitHostPort(imap); err == nil && config.Loopback(imapHost) {
		host = imapHost
		if port == "0" {
			return net.JoinHostPort(host, port), nil
		}
	}
	first, err := strconv.Atoi(usual)
	if err != nil {
		return "", err
	}
	for n := first; n < first+10; n++ {
		address := net.JoinHostPort(host, strconv.Itoa(n))
		if ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address); err == nil {
			return address, ln.Close()
		}
	}
	return "", fmt.Errorf("other programs have the ports from %d to %d", first, first+9)
}

// isFor says whether the sign-in is good for all that this run is to set up. One that lacks what nobody asked for
// now is kept, and the cure named: it may be meant so.
func (s *setup) isFor(t auth.Token) bool {
	var lacks []string
	for _, protocol := range protocolsOf(s.cfg.Listen) {
		if s.account.Covers(protocol, t) != nil {
			if protocol == "smtp" && s.sends {
				return false
			}
			lacks = append(lacks, protocol)
		}
	}
	if len(lacks) > 0 {
		s.ui.say("the sign-in is not for %s before a new one: postern login %s", strings.Join(lacks, " and "), s.account.Email)
	}
	return true
}
