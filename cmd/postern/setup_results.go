package main

import (
	"context"
	"net"
	"strings"

	"postern/auth"
)

// results prints what the mail client needs: the password first and alone on its line, then the settings.
func (s *setup) results(ctx context.Context) error {
	if s.another {
		secret, made, err := s.m.AddPassword(ctx, s.account.Email, auth.NewPassword{Label: s.label})
		if err != nil {
			return err
		}
		s.ui.say("local password %s for %s, user name %s (shown once):", made.ID, made.Label, s.account.Email)
		s.ui.print("%s\n", secret.Reveal())
		s.secret = secret
	}
	if err := s.printClient(ctx); err != nil {
		return err
	}
	if st, err := s.status(ctx); err == nil && st.Running {
		s.ui.say("the daemon runs: your mail client can connect now")
	} else {
		s.ui.say("next: postern serve, or postern service install to have it start by itself")
	}
	return nil
}

// printClient prints the settings of the wanted client, or what to enter in any.
func (s *setup) printClient(ctx context.Context) error {
	if s.o.forClient == "" {
		return s.printSettings(ctx)
	}
	p, err := findClient(s.o.forClient)
	if err != nil {
		return err
	}
	settings, err := s.clientSettings(ctx, p, []string{s.account.Email})
	if err != nil {
		s.ui.say("no settings for %s yet: %v; %s", p.name, err, hint(err))
		return s.printSettings(ctx)
	}
	text, err := p.settings(settings)
	if err != nil {
		return err
	}
	wants := strings.Contains(text, "PASSWORD")
	hasSecret := s.another && wants
	if hasSecret {
		text = strings.ReplaceAll(text, "PASSWORD", s.secret.Reveal())
	}
	s.ui.print("%s", text)
	if p.goes != "" {
		s.ui.say("these go to: %s", settings.say(p.goes))
	}
	switch {
	case hasSecret:
		s.ui.say("the password is in them already")
	case wants:
		s.ui.say("PASSWORD stands for the local password that you have; another: postern password add %s", s.account.Email)
	}
	if p.note != "" {
		s.ui.say("%s", settings.say(p.note))
	}
	return nil
}

// printSettings says what to enter in a client that Postern has no ready settings for.
func (s *setup) printSettings(ctx context.Context) error {
	st, err := s.status(ctx)
	if err != nil {
		return err
	}
	at := map[string]string{"IMAP": s.cfg.Listen.IMAP, "IMAPS": s.cfg.Listen.IMAPS, "SMTP": s.cfg.Listen.SMTP, "POP3": s.cfg.Listen.POP3}
	for _, l := range st.Listeners {
		at[strings.ToUpper(l.Name)] = l.Address
	}
	for _, name := range []string{"IMAP", "IMAPS", "SMTP", "POP3"} {
		if host, port, err := net.SplitHostPort(at[name]); err == nil {
			s.ui.print("%-5s server %s, port %s, %s\n", name, host, port, s.protection(name))
		}
	}
	s.ui.print("user  %s\n", s.account.Email)
	s.ui.print("login password, not OAuth2\n")
	return nil
}

func (s *setup) protection(name string) string {
	switch {
	case name == "IMAPS":
		return "TLS"
	case s.cfg.Listen.TLS():
		return "STARTTLS"
	}
	return "no encryption (it is this machine)"
}
