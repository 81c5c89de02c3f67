package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/BurntSushi/toml"

	"postern/auth"
	"postern/internal/config"
	"postern/internal/control"
)

// writeBundle writes what a bug report needs, without secrets and without names, for the owner only.
func (c *checkup) writeBundle(ctx context.Context, path string) error {
	names := &pseudonyms{}
	c.learn(ctx, names)
	var b bytes.Buffer
	fmt.Fprintf(&b, "postern %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	b.WriteString("Addresses, domains, client ids and tenants are replaced, the same one by the same name; secrets are left out.\n")
	b.WriteString("\n== check\n")
	for _, f := range c.findings {
		fmt.Fprintln(&b, f)
	}
	b.WriteString("\n== status\n")
	c.bundleStatus(ctx, &b, names)
	b.WriteString("\n== configuration\n")
	c.bundleConfig(&b)
	if err := writePrivate(path, []byte(names.hide(b.String()))); err != nil {
		return failed(fmt.Errorf("bundle: %w", err), "name another file")
	}
	c.app.ui.say("the report is in %s: read it before you send it", path)
	return nil
}

// bundleStatus is what `postern status` prints, of the daemon or of the store.
func (c *checkup) bundleStatus(ctx context.Context, b *bytes.Buffer, names *pseudonyms) {
	st := c.running
	if st == nil && c.accounts != nil {
		states, err := c.accounts.Status(ctx)
		if err != nil {
			fmt.Fprintln(b, err)
			return
		}
		st = &control.Status{Version: version(), Accounts: control.ListAccounts(states, nil)}
	}
	if st == nil {
		b.WriteString("not known\n")
		return
	}
	for i, acc := range st.Accounts {
		for j, s := range acc.Sessions {
			if s.Password != "" {
				st.Accounts[i].Sessions[j].Password = names.name("label", s.Password)
			}
			if host, port, err := net.SplitHostPort(s.Remote); err == nil && !net.ParseIP(host).IsLoopback() {
				st.Accounts[i].Sessions[j].Remote = net.JoinHostPort(names.name("host", host), port)
			}
		}
	}
	(&app{ui: &ui{out: b, err: b}}).printStatus(*st)
}

// bundleConfig prints the values in force, not the file: what stands in comments is nobody's business.
func (c *checkup) bundleConfig(b *bytes.Buffer) {
	if c.cfg == nil {
		b.WriteString("not readable\n")
		return
	}
	shown := *c.cfg
	if shown.Store.URL != "" {
		shown.Store.URL = redactedText
	}
	shown.Account = maps.Clone(shown.Account)
	for email, a := range shown.Account {
		if a.PasswordHash != "" {
			a.PasswordHash = redactedText
		}
		shown.Account[email] = a
	}
	if err := toml.NewEncoder(b).Encode(shown); err != nil {
		fmt.Fprintln(b, err)
	}
}

// learn tells the pseudonyms everything that must not be in the bundle.
func (c *checkup) learn(ctx context.Context, names *pseudonyms) {
	if home, err := os.UserHomeDir(); err == nil {
		names.home = home
	}
	if c.cfg != nil {
		names.secret(c.cfg.Store.URL)
		for _, email := range slices.Sorted(maps.Keys(c.cfg.Account)) {
			a := c.cfg.Account[email]
			names.secret(a.PasswordHash)
			names.learnAccount(email, a)
		}
	}
	if c.accounts == nil {
		return
	}
	accounts, _ := c.accounts.Accounts(ctx)
	for _, a := range accounts {
		names.learnAccount(a.Email, config.Account{ClientID: a.ClientID, Tenant: a.Tenant, Mailbox: a.Mailbox, SignInAs: a.SignInAs})
		c.learnSecrets(ctx, names, a)
	}
}

func (c *checkup) learnSecrets(ctx context.Context, names *pseudonyms, a auth.Account) {
	for _, path := range []string{a.ClientSecretFile, a.ClientKey} {
		if content, err := os.ReadFile(path); path != "" && err == nil {
			names.secret(string(bytes.TrimSpace(content)))
		}
	}
	rec, err := c.store.View(ctx, a.Email)
	if err != nil {
		return
	}
	for _, p := range rec.Passwords {
		names.secret(p.Hash)
	}
	if rec.Token != nil {
		names.secret(rec.Token.Access.Reveal())
		names.secret(rec.Token.Refresh.Reveal())
		names.address(rec.Token.SignedInAs)
	}
}

// writePrivate puts a whole file of mode 0600 in the place of whatever was there.
func writePrivate(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".bundle-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
