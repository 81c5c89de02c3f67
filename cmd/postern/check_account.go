package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"postern/auth"
	"postern/proxy"
)

func (c *checkup) about(a auth.Account, name string) topic {
	return topic{report: c.report, account: a.Email, name: name}
}

// openAccounts makes the token manager on the store that was found.
func (c *checkup) openAccounts() bool {
	c.app.store = c.store
	m, err := c.app.accounts()
	if err != nil {
		return c.on("accounts").failWith(err)
	}
	c.accounts = m
	c.upstream = &proxy.Server{Accounts: m, NoSpares: true}
	return true
}

// addresses are the accounts to check.
func (c *checkup) addresses(ctx context.Context) []string {
	if c.only != "" {
		return []string{c.only}
	}
	t := c.on("accounts")
	accounts, err := c.accounts.Accounts(ctx)
	if err != nil {
		t.failWith(err)
		return nil
	}
	if len(accounts) == 0 {
		t.warn("postern setup", "there is none yet")
	}
	emails := make([]string, 0, len(accounts))
	for _, a := range accounts {
		emails = append(emails, a.Email)
	}
	return emails
}

// account follows one account from its settings to its mailbox.
func (c *checkup) account(ctx context.Context, email string) {
	a, err := c.accounts.Account(ctx, email)
	if err != nil {
		a.Email = email
		c.about(a, "account").failWith(err)
		return
	}
	t := c.about(a, "account")
	if a.ClientID == "" {
		t.fail(exitConfig, "register an app (docs/microsoft.md), then: postern account add "+a.Email+" --client-id ID", "it has no client id")
		return
	}
	tenant := ""
	if a.Tenant != "" {
		tenant = ", tenant " + a.Tenant
	}
	t.ok("provider %s, flow %s%s, client id %s", a.Provider.Name, a.Flow, tenant, a.ClientID)
	c.localPasswords(ctx, a)
	broken := c.signIn(ctx, a)
	for _, p := range c.protocols(a) {
		c.mailbox(ctx, a, p, broken)
	}
}

// localPasswords looks whether a mail client could log in here at all.
func (c *checkup) localPasswords(ctx context.Context, a auth.Account) {
	t := c.about(a, "local passwords")
	passwords, err := c.accounts.Passwords(ctx, a.Email)
	if err != nil {
		t.failWith(err)
		return
	}
	good := 0
	for _, p := range passwords {
		if p.Expires.IsZero() || time.Now().Before(p.Expires) {
			good++
		}
	}
	if a.PasswordHash != "" {
		good++
	}
	if good == 0 {
		t.warn("postern password add "+a.Email, "there is none that mail clients could log in with")
		return
	}
	t.ok("%d", good)
}

// signIn goes as far as the access token and returns what is broken on the way, "" when nothing is.
func (c *checkup) signIn(ctx context.Context, a auth.Account) (broken string) {
	steps := []struct {
		name string
		ok   func() bool
	}{
		{"proof of the app", func() bool { return c.proof(a) }},
		{"sign-in server", func() bool { return c.signInServers(ctx, a) }},
		{"client id", func() bool { c.clock(a); return c.clientID(ctx, a) }},
		{"token", func() bool { return c.token(ctx, a) }},
	}
	for i, s := range steps {
		switch {
		case broken != "" && i == len(steps)-1:
			c.about(a, s.name).skip("the " + broken)
		case broken == "" && !s.ok():
			broken = s.name
		}
	}
	return broken
}

// clientID asks the provider whether it knows the app. The browser would show a page about it, of which Postern hears nothing.
func (c *checkup) clientID(ctx context.Context, a auth.Account) bool {
	t := c.about(a, "client id")
	if a.Flow == auth.FlowClientCredentials || a.Provider.DeviceURL == "" {
		return true // the token tells, or nobody does
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := c.accounts.CheckApp(ctx, a.Email)
	problem, ok := errors.AsType[*auth.Problem](err)
	switch {
	case err == nil:
		return t.ok("the provider knows the app")
	case ok && (a.Flow == auth.FlowDevice && problem.Class == auth.Configuration || slices.Contains(unknownApp, problem.Code)):
		return t.failWith(err)
	}
	// Apps that sign in with a browser need not be allowed to do it with a code.
	return t.unknown("the provider does not tell: " + err.Error())
}

// unknownApp are the codes that mean a wrong client id or tenant, whatever the flow.
var unknownApp = []string{"AADSTS700016", "AADSTS90002", "AADSTS90038", "AADSTS90043", "AADSTS50059", "AADSTS90019"}

// mailProtocol is one way to a mailbox.
type mailProtocol struct {
	name     string
	address  string // "" = the provider has none
	protocol proxy.Protocol
}

// protocols are those that clients can use here: IMAP, and what is listened for.
func (c *checkup) protocols(a auth.Account) []mailProtocol {
	l, p := c.cfg.Listen, a.Provider
	var all []mailProtocol
	if p.IMAP != "" || l.IMAP+l.IMAPS != "" {
		all = append(all, mailProtocol{"imap", p.IMAP, proxy.IMAP()})
	}
	if l.SMTP != "" {
		all = append(all, mailProtocol{"smtp", p.SMTP, proxy.SMTP()})
	}
	if l.POP3 != "" {
		all = append(all, mailProtocol{"pop3", p.POP3, proxy.POP3()})
	}
	return all
}

// mailbox goes to the mail server and, unless the way to the token is broken, into the mailbox.
func (c *checkup) mailbox(ctx context.Context, a auth.Account, p mailProtocol, broken string) {
	server, login := c.about(a, p.name+" server"), c.about(a, p.name+" login")
	if p.address == "" {
		login.unknown("provider " + a.Provider.Name + " has no " + p.name + " server")
		return
	}
	r := c.once(p.address, a, func() reached {
		return askMail(ctx, p.address, a.Provider.RootCAs, !proxy.BeginsWithTLS(p.protocol, p.address))
	})
	switch {
	case !server.reached(p.address, "provider."+a.Provider.Name, r):
		login.skip("the " + p.name + " server")
	case broken != "":
		login.skip("the " + broken)
	case !c.about(a, p.name+" scope").covers(a, p.name):
		login.skip("the " + p.name + " scope")
	default:
		c.login(ctx, a, p, login)
	}
}

// login logs in as a session does.
func (c *checkup) login(ctx context.Context, a auth.Account, p mailProtocol, t topic) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.cfg.Limits.UpstreamTimeout))
	defer cancel()
	err := c.upstream.Probe(ctx, p.protocol, a)
	if err == nil {
		return t.ok("%s opens the mailbox %s", p.address, a.Mailbox)
	}
	problem, ok := errors.AsType[*auth.Problem](err)
	if ok && problem.Class != auth.Refresh && problem.Code != notConnected {
		return t.failWith(err)
	}
	return t.fail(exitCode(ctx, err), c.causes(ctx, a, p.name), "%v", err)
}

// notConnected is the code of Exchange's "User is authenticated but not connected."
const notConnected = "user-is-authenticated-but-not-connected"
