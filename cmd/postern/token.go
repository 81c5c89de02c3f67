package main

import (
	"context"
	"time"

	"postern/proxy"
)

func runToken(ctx context.Context, a *app, args []string) error {
	format := a.o.format
	switch format {
	case "raw", "xoauth2", "oauthbearer", "json":
	default:
		return usageError("raw, xoauth2, oauthbearer or json", "format %q is unknown", format)
	}
	m, account, err := a.account(ctx, args)
	if err != nil {
		return err
	}
	token, err := m.Token(ctx, account.Email)
	if err != nil {
		return err
	}
	switch format {
	case "raw":
		a.ui.print("%s\n", token.Access.Reveal())
	case "xoauth2":
		a.ui.print("%s\n", proxy.XOAUTH2(account.Mailbox, token.Access).Reveal())
	case "oauthbearer":
		// Host and port may be left out (RFC 7628 section 3.1); wrong ones can be refused.
		a.ui.print("%s\n", proxy.OAuthBearer(account.Mailbox, token.Access, "", "").Reveal())
	case "json":
		return a.ui.json(struct {
			Account     string    `json:"account"`
			Mailbox     string    `json:"mailbox"`
			AccessToken string    `json:"access_token"`
			TokenType   string    `json:"token_type"`
			Expiry      time.Time `json:"expiry"`
		}{account.Email, account.Mailbox, token.Access.Reveal(), "Bearer", token.Expiry})
	}
	return nil
}
