package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postern/auth"
	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/store"
)

// app opens what a command needs, once, and closes it at the end.
type app struct {
	ui       *ui
	o        *options
	isDaemon bool

	cfg     *config.Config
	store   store.Store
	manager *auth.Manager
	recent  control.Recent // of the daemon, for its page

	renewals chan struct{} // one place per process that may refresh at once
}

func (a *app) close() {
	if a.manager != nil {
		a.manager.Close()
	}
	if a.store != nil {
		a.store.Close()
	}
}

// config loads the configuration file: that of --config or POSTERN_CONFIG, or the usual one if there is one.
func (a *app) config() (*config.Config, error) {
	if a.cfg != nil {
		return a.cfg, nil
	}
	path := a.o.global.config
	if path == "" {
		path = os.Getenv("POSTERN_CONFIG")
	}
	cfg, err := config.Load(path, builtInProviders())
	if err != nil {
		return nil, configError(err, configCure(err))
	}
	a.cfg = cfg
	return cfg, nil
}

// configCure is what to do about a configuration that can not be used.
func configCure(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "name the file with --config or POSTERN_CONFIG; without either, the usual place is looked at"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that runs Postern read the file"
	}
	return "config.example.toml explains every key"
}

// stateDir is where accounts, tokens and the control socket live.
func (a *app) stateDir() string {
	for _, dir := range []string{a.o.global.state, os.Getenv("POSTERN_STATE")} {
		if dir != "" {
			if abs, err := filepath.Abs(dir); err == nil {
				return abs
			}
			return dir
		}
	}
	return config.DefaultStateDir()
}

// accounts opens the store and the token manager.
func (a *app) accounts() (*auth.Manager, error) {
	if a.manager != nil {
		return a.manager, nil
	}
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	log, err := a.log()
	if err != nil {
		return nil, err
	}
	providers, err := providersOf(cfg)
	if err != nil {
		return nil, err
	}
	if a.store == nil { // check has opened it
		if a.store, err = a.openStore(cfg); err != nil {
			return nil, err
		}
	}
	a.manager, err = auth.New(auth.Options{
		Store: a.store, Providers: providers, Declared: declaredAccounts(cfg), Protocols: protocolsOf(cfg.Listen), Log: log, Apart: a.renewApart,
	})
	if err != nil {
		return nil, configError(err, "")
	}
	return a.manager, nil
}

// account is the one that EMAIL names, and the manager that knows it.
func (a *app) account(ctx context.Context, args []string) (*auth.Manager, auth.Account, error) {
	email, err := oneArgument(args, "the account's address (EMAIL)")
	if err != nil {
		return nil, auth.Account{}, err
	}
	m, err := a.accounts()
	if err != nil {
		return nil, auth.Account{}, err
	}
	account, err := m.Account(ctx, email)
	return m, account, err
}

func (a *app) openStore(cfg *config.Config) (store.Store, error) {
	if cfg.Store.URL != "" {
		return nil, configError(fmt.Errorf("store.url: this version keeps its store in files only"), `leave store.url empty`)
	}
	dir := a.stateDir()
	if dir == "" {
		return nil, failed(errors.New("no state directory: the environment has no home"), "name one with --state DIR")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, failed(fmt.Errorf("state directory: %w", err), "choose another with --state DIR")
	}
	f, err := store.OpenDir(dir)
	if err != nil {
		return nil, err // not f: a nil *File in a Store would be taken for a store
	}
	return f, nil
}

// log makes the logger that the flags or the configuration ask for. Only the daemon logs by itself: what
// the other commands have to say they print.
func (a *app) log() (*slog.Logger, error) {
	level, format := "error", a.cfg.Log.Format
	if a.isDaemon {
		level = a.cfg.Log.Level
	}
	if a.o.global.logLevel != "" {
		level = a.o.global.logLevel
	}
	if a.o.global.logFormat != "" {
		format = a.o.global.logFormat
	}
	log, err := newLogger(a.ui.err, level, format)
	if err == nil && !a.isDaemon {
		log = slog.New(&auditHandler{Handler: log.Handler(), daemon: control.NewClient(a.stateDir())})
	}
	return a.watched(log, err)
}

// providersOf turns the configuration's providers into auth's, which adds them to the built-in ones.
func providersOf(cfg *config.Config) (map[string]auth.Provider, error) {
	providers := map[string]auth.Provider{}
	for name, c := range cfg.Provider {
		p := auth.Provider{
			Name: name, AuthorizeURL: c.AuthorizeURL, TokenURL: c.TokenURL, DeviceURL: c.DeviceURL, RevokeURL: c.RevokeURL,
			Tenant: c.Tenant, Scopes: c.Scopes, IMAP: c.IMAP, SMTP: c.SMTP, POP3: c.POP3,
		}
		if c.CAFile != "" {
			pool, err := certPool(c.CAFile)
			if err != nil {
				return nil, configError(fmt.Errorf("provider.%s: ca_file: %w", name, err), "ca_file is a PEM file with the authority's certificate")
			}
			p.RootCAs = pool
		}
		providers[name] = p
	}
	return providers, nil
}

// certPool is the system's authorities and those of the file.
func certPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", file)
	}
	return pool, nil
}

func declaredAccounts(cfg *config.Config) []auth.Account {
	var accounts []auth.Account
	for email, c := range cfg.Account {
		accounts = append(accounts, auth.Account{
			Email: email, Provider: auth.Provider{Name: c.Provider}, ClientID: c.ClientID, Tenant: c.Tenant, Flow: auth.Flow(c.Flow),
			ClientSecretFile: c.ClientSecretFile, ClientCertificate: c.ClientCertificate, ClientKey: c.ClientKey,
			Mailbox: c.Mailbox, SignInAs: c.SignInAs, PasswordHash: c.PasswordHash, Declared: true,
		})
	}
	return accounts
}

func builtInProviders() []string {
	names := make([]string, 0, 10)
	for name := range auth.BuiltIn() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func builtInNames() string { return strings.Join(builtInProviders(), ", ") }
