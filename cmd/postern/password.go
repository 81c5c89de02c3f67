package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/auth"
	"postern/internal/control"
)

func runPasswordAdd(ctx context.Context, a *app, args []string) error {
	email, err := oneArgument(args, "the account's address (EMAIL)")
	if err != nil {
		return err
	}
	expires, err := parseExpiry(a.o.expires, time.Now())
	if err != nil {
		return err
	}
	if a.o.readOnly && a.o.sendOnly {
		return usageError("without either, a password can do both", "--read-only and --send-only exclude each other")
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	wanted := auth.NewPassword{Label: a.o.label, Expires: expires, ReadOnly: a.o.readOnly, SendOnly: a.o.sendOnly}
	if wanted.Chosen, err = a.chosenPassword(ctx); err != nil {
		return err
	}
	password, made, err := m.AddPassword(ctx, email, wanted)
	if err != nil {
		return err
	}
	if a.o.choose {
		a.ui.say("local password %s (%s) stored", made.ID, made.Label)
		return nil
	}
	a.ui.say("local password %s for %s, user name %s (shown once):", made.ID, made.Label, email)
	a.ui.print("%s\n", password.Reveal())
	return nil
}

// chosenPassword asks for the password that --choose announces; without it there is none.
func (a *app) chosenPassword(ctx context.Context) (auth.Secret, error) {
	if !a.o.choose {
		return auth.Secret{}, nil
	}
	typed, err := a.ui.secretTwice(ctx, "password for mail clients: ")
	if err != nil {
		return auth.Secret{}, fmt.Errorf("read the password: %w", err)
	}
	if typed == "" {
		return auth.Secret{}, usageError("type one, or leave --choose away and get a generated one", "the password is empty")
	}
	return auth.NewSecret(typed), nil
}

// runPasswordHash touches neither configuration nor store: it serves who writes the configuration for another machine.
func runPasswordHash(ctx context.Context, a *app, args []string) error {
	email, err := oneArgument(args, "the account's address (EMAIL)")
	if err != nil {
		return err
	}
	chosen, err := a.chosenPassword(ctx)
	if err != nil {
		return err
	}
	password, hash, err := auth.HashPassword(email, chosen)
	if err != nil {
		return err
	}
	if chosen.IsZero() {
		a.ui.say("the local password (shown once), and its line for the account's table in the configuration:")
		a.ui.print("%s\n", password.Reveal())
	}
	a.ui.print("password_hash = %q\n", hash)
	return nil
}

// isPasswordDeclared says whether the configuration has a local password for one of the accounts. It has no ID.
func isPasswordDeclared(ctx context.Context, m *auth.Manager, emails []string) bool {
	return slices.ContainsFunc(emails, func(email string) bool {
		account, err := m.Account(ctx, email)
		return err == nil && account.PasswordHash != ""
	})
}

// parseExpiry takes a number of days (90d), a duration (12h) or a date.
func parseExpiry(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	var at time.Time
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			at = now.AddDate(0, 0, n)
		}
	} else if d, err := time.ParseDuration(s); err == nil {
		at = now.Add(d)
	} else if day, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		at = day.AddDate(0, 0, 1) // to the end of that day
	}
	if !at.After(now) {
		return time.Time{}, usageError("90d, 12h or 2027-01-31", "--expires %q is no time in the future", s)
	}
	return at, nil
}

// passwordRow is a local password in `password list --json`.
type passwordRow struct {
	Account string     `json:"account"`
	ID      string     `json:"id"`
	Label   string     `json:"label"`
	May     string     `json:"may"` // "read and send", "read" or "send"
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
}

func runPasswordList(ctx context.Context, a *app, args []string) error {
	if len(args) > 1 {
		return usageError("", "unexpected argument %q", args[1])
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	emails := args
	if len(emails) == 0 {
		accounts, err := m.Accounts(ctx)
		if err != nil {
			return err
		}
		for _, acc := range accounts {
			emails = append(emails, acc.Email)
		}
	}
	rows := []passwordRow{}
	var broken []error // of one account, which keeps no other from being listed
	for _, email := range emails {
		passwords, err := m.Passwords(ctx, email)
		if err != nil && len(args) == 1 {
			return err
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("%s: %w", email, err))
			continue
		}
		for _, p := range passwords {
			row := passwordRow{Account: email, ID: p.ID, Label: p.Label, May: mayDo(p), Created: p.Created}
			if !p.Expires.IsZero() {
				row.Expires = &p.Expires
			}
			rows = append(rows, row)
		}
	}
	if a.o.json {
		return errors.Join(append(broken, a.ui.json(rows))...)
	}
	switch {
	case len(rows) > 0, len(broken) > 0:
	case isPasswordDeclared(ctx, m, emails):
		a.ui.say("no local password but what password_hash in the configuration declares")
	default:
		a.ui.say(`no local password yet: "postern password add EMAIL" makes one`)
	}
	for _, r := range rows {
		until := ""
		if r.Expires != nil {
			until = ", until " + r.Expires.Local().Format(time.DateTime)
		}
		a.ui.print("%-40s %-10s %-20s may %s, since %s%s\n", r.Account, r.ID, r.Label, r.May, r.Created.Local().Format(time.DateOnly), until)
	}
	return errors.Join(broken...)
}

// mayDo says what a password is good for.
func mayDo(p auth.PasswordInfo) string {
	switch {
	case p.ReadOnly:
		return "read"
	case p.SendOnly:
		return "send"
	}
	return "read and send"
}

func runPasswordRevoke(ctx context.Context, a *app, args []string) error {
	if len(args) != 2 {
		return usageError(`"postern password list" shows both`, "password revoke takes EMAIL and the password's ID or label")
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	was, err := m.RevokePassword(ctx, args[0], args[1])
	if errors.Is(err, auth.ErrWhichPassword) {
		return failed(err, "name it by its id: postern password list "+shellWord(args[0]))
	}
	if err != nil {
		return err
	}
	ended, err := control.NewClient(a.stateDir()).EndPassword(ctx, args[0], was.ID)
	return a.sayEnded(fmt.Sprintf("local password %s of %s revoked", args[1], args[0]), ended, err)
}
