package main

import (
	"context"

	"postern/auth"
	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/store"
	"postern/proxy"
)

// checkup goes through the layers between a mail client and its mailbox, the lowest first, and leaves out what
// stands on a broken one. It changes nothing, but for a token that it renews as any session would.
type checkup struct {
	*report
	app  *app
	only string // the account to check; "" = all

	// What the lower layers have found out, for the ones above.
	cfg      *config.Config
	store    store.Store
	running  *control.Status // nil when no daemon runs
	accounts *auth.Manager
	upstream *proxy.Server
	reached  map[string]reached // servers that were asked already, by address and provider
}

func runCheck(ctx context.Context, a *app, args []string) error {
	c := &checkup{report: &report{}, app: a, reached: map[string]reached{}}
	if len(args) > 0 {
		email, err := oneArgument(args, "")
		if err != nil {
			return err
		}
		c.only = email
	}
	if !a.o.json {
		c.show = func(f finding) {
			if ctx.Err() == nil { // else it only says that the question was broken off
				a.ui.print("%s\n", f)
			}
		}
	}
	c.run(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if a.o.json {
		if err := a.ui.json(c.document()); err != nil {
			return err
		}
	}
	if a.o.bundle != "" {
		if err := c.writeBundle(ctx, a.o.bundle); err != nil {
			return err
		}
	}
	return c.verdict()
}

func (c *checkup) run(ctx context.Context) {
	c.program()
	if !c.configuration() {
		for _, name := range []string{"state directory", "token store", "daemon", "listeners", "accounts"} {
			c.on(name).skip("the configuration")
		}
		return
	}
	c.permissions()
	kept := c.stateDirectory() && c.tokenStore(ctx)
	c.daemon(ctx)
	c.listeners(ctx)
	c.localCertificate()
	if !kept {
		c.on("accounts").skip("the token store")
		return
	}
	if !c.openAccounts() {
		return
	}
	for _, email := range c.addresses(ctx) {
		c.account(ctx, email)
	}
}
