package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postern/auth"
	"postern/internal/control"
)

func runAccountAdd(ctx context.Context, a *app, args []string) error {
	email, err := oneArgument(args, "the account's address (EMAIL)")
	if err != nil {
		return err
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	o := a.o
	if o.provider == "" {
		o.provider = auth.ProviderFor(email)
	}
	if o.clientID == "" {
		return configError(fmt.Errorf("account %s: no client id: Microsoft and others want every program registered", email),
			"docs/microsoft.md says how to get one in five minutes; then add --client-id ID")
	}
	account := auth.Account{
		Email: email, Provider: auth.Provider{Name: o.provider}, ClientID: o.clientID, Tenant: o.tenant, Flow: auth.Flow(o.flow),
		ClientSecretFile: absolute(o.clientSecretFile), ClientCertificate: absolute(o.clientCertificate), ClientKey: absolute(o.clientKey),
		Mailbox: o.mailbox, SignInAs: o.signInAs,
	}
	_, err = m.Account(ctx, email)
	there := err == nil
	if err := m.AddAccount(ctx, account); err != nil {
		return err
	}
	if there {
		a.ui.say("account %s was there already: its settings are now these, with provider %s", email, o.provider)
	} else {
		a.ui.say("account %s added, with provider %s", email, o.provider)
	}
	if err := checkClientID(o.provider, o.clientID); err != nil { // which the sign-in would find out late
		a.ui.say("%s does not look right: %v (docs/microsoft.md)", o.clientID, err)
	}
	for _, file := range []string{account.ClientSecretFile, account.ClientCertificate, account.ClientKey} {
		if _, err := os.Stat(file); file != "" && err != nil {
			a.ui.say("the sign-in needs a file that is not there: %v", err)
		}
	}
	if !isSignedIn(ctx, m, email) {
		a.ui.say("next: postern login %s", email)
	}
	return nil
}

func isSignedIn(ctx context.Context, m *auth.Manager, email string) bool {
	states, err := m.Status(ctx)
	return err == nil && slices.ContainsFunc(states, func(s auth.AccountStatus) bool {
		return strings.EqualFold(s.Account, email) && !auth.IsSignedOut(s.State)
	})
}

func runAccountRemove(ctx context.Context, a *app, args []string) error {
	email, err := oneArgument(args, "the account's address (EMAIL)")
	if err != nil {
		return err
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	if err := m.RemoveAccount(ctx, email); err != nil {
		return err
	}
	ended, err := control.NewClient(a.stateDir()).EndSessions(ctx, email)
	return a.sayEnded("account "+email+" removed, with its tokens and local passwords", ended, err)
}

// accountRow is an account in `account list --json`.
type accountRow struct {
	Account     string     `json:"account"`
	Provider    string     `json:"provider"`
	Flow        auth.Flow  `json:"flow"`
	Mailbox     string     `json:"mailbox"`
	State       string     `json:"state"`
	Passwords   int        `json:"passwords"`
	Declared    bool       `json:"declared"`
	TokenExpiry *time.Time `json:"token_expiry,omitempty"`
}

func runAccountList(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	states, err := m.Status(ctx)
	if err != nil {
		return err
	}
	rows := []accountRow{}
	for _, s := range states {
		row := accountRow{Account: s.Account, Provider: s.Provider, Flow: s.Flow, Mailbox: s.Mailbox,
			State: s.State, Passwords: s.Passwords, Declared: s.Declared}
		if !s.TokenExpiry.IsZero() {
			row.TokenExpiry = &s.TokenExpiry
		}
		rows = append(rows, row)
	}
	if a.o.json {
		return a.ui.json(rows)
	}
	if len(rows) == 0 {
		a.ui.say(`no account yet: "postern setup" or "postern account add EMAIL" makes one`)
		return nil
	}
	for _, r := range rows {
		a.ui.print("%-40s %-16s %-18s %s\n", r.Account, r.Provider, r.State, count(r.Passwords, "local password"))
	}
	return nil
}

// absolute keeps a path good when the daemon runs in another directory.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
