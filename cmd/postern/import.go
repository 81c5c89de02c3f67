package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"postern/auth"
	"postern/internal/migration"
)

func importFlags(f *flag.FlagSet, o *options) {
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be taken, and change nothing")
	f.BoolVar(&o.password, "password", false, "read the mail client's password from standard input, to bring tokens along that it opens")
	f.StringVar(&o.clientID, "client-id", "", "the `ID` of the app registration, where the file does not have it")
}

// maxImport is far above what a person's settings have.
const maxImport = 4 << 20

// runImport takes accounts over from another program's file, and says what it took and what not. The file
// stays as it is.
func runImport(ctx context.Context, a *app, args []string) error {
	switch {
	case len(args) == 0:
		return usageError("postern import FILE, or - for standard input", "FILE is missing")
	case len(args) > 2:
		return usageError("", "unexpected argument %q", args[2])
	case args[0] == "-" && a.o.password:
		return usageError("put the settings into a file", "standard input can not be both the settings and the password")
	}
	text, err := a.readImport(args[0])
	if err != nil {
		return failed(err, "")
	}
	settings, err := migration.Read(text)
	if err != nil {
		return importError(args[0], err)
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	providers, err := a.allProviders()
	if err != nil {
		return err
	}
	im := &importer{app: a, manager: m, providers: providers, file: args[0]}
	if len(args) == 2 {
		im.only = strings.ToLower(args[1])
	}
	return im.run(ctx, settings)
}

func (a *app) readImport(file string) ([]byte, error) {
	in := a.ui.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if len(text) > maxImport {
		return nil, fmt.Errorf("%s: too large for a settings file", file)
	}
	return text, err
}

func importError(file string, err error) error {
	if _, ok := errors.AsType[migration.EncryptedError](err); ok {
		name := shellWord(file)
		if file == "-" {
			name = "FILE"
		}
		return failed(fmt.Errorf("%s: %w", file, err), "gpg --decrypt "+name+" | postern import -")
	}
	if errors.Is(err, migration.ErrUnknownFormat) {
		return failed(fmt.Errorf("%s: %w", file, err),
			"it can be emailproxy.config, davmail.properties, a token file of mutt_oauth2.py, a configuration or token of oama, or pizauth.conf")
	}
	return failed(fmt.Errorf("%s: %w", file, err), "")
}

// allProviders are the built-in ones, and those of the configuration.
func (a *app) allProviders() (map[string]auth.Provider, error) {
	own, err := providersOf(a.cfg)
	if err != nil {
		return nil, err
	}
	all := auth.BuiltIn()
	for name, p := range own {
		if _, builtIn := all[name]; !builtIn || p.TokenURL != "" {
			all[name] = p
		}
	}
	return all, nil
}

// importer takes the accounts of one file.
type importer struct {
	*app
	manager   *auth.Manager
	providers map[string]auth.Provider
	file      string
	only      string // the address that was named
	passwords []string
	asked     bool

	taken int
	next  []string // commands to go on with
}

func (im *importer) run(ctx context.Context, s *migration.Settings) error {
	im.tell("%s: %s", im.file, s.Format)
	accounts := im.choose(s.Accounts)
	if len(accounts) == 0 && len(s.Accounts) > 0 {
		var names []string
		for _, a := range s.Accounts {
			names = append(names, cmp.Or(a.Email, "an account without a name"))
		}
		return failed(fmt.Errorf("%s has no account %s", im.file, im.only), harmlessLine("it has "+strings.Join(names, ", ")))
	}
	for _, a := range accounts {
		im.ui.print("\n")
		im.tell("%s", cmp.Or(a.Email, "an account without a name"))
		if err := im.take(ctx, a); err != nil {
			return err
		}
		for _, left := range a.Left {
			im.tell("  left: %s", left)
		}
	}
	im.others(s)
	if im.taken == 0 {
		return failed(errors.New("no account was taken"), "see above for the reasons")
	}
	if im.o.dryRun {
		im.ui.say("nothing was changed: this was --dry-run")
		return nil
	}
	im.ui.say("%s was read only, and can be kept", im.file)
	for _, command := range im.next {
		im.ui.say("next: %s", command)
	}
	return nil
}

// choose leaves out what was not asked for, and gives a nameless account the name that was.
func (im *importer) choose(all []migration.Account) []migration.Account {
	if im.only == "" {
		return all
	}
	var chosen []migration.Account
	for _, a := range all {
		if a.Email == "" && (len(all) == 1 || im.isServiceOf(a, im.only)) {
			a.Email = im.only
		}
		if a.Email == im.only {
			chosen = append(chosen, a)
		}
	}
	return chosen
}

func (im *importer) isServiceOf(a migration.Account, email string) bool {
	name, _, ok := im.provider(migration.Account{Email: email, Service: a.Service, TokenURL: a.TokenURL, AuthorizeURL: a.AuthorizeURL})
	return ok && name == auth.ProviderFor(email)
}

// tell prints one line, whatever the file's names have in them.
func (im *importer) tell(format string, args ...any) {
	im.ui.print("%s\n", harmlessLine(fmt.Sprintf(format, args...)))
}

// others prints what belongs to no single account.
func (im *importer) others(s *migration.Settings) {
	if len(s.Listen) > 0 {
		im.ui.print("\nfor mail clients to stay as they are, put this into the configuration file:\n  [listen]\n")
		for _, p := range s.Listen {
			im.tell("  %s = %q", p.Key, p.Value)
		}
	}
	if len(s.Left) > 0 {
		im.ui.print("\n")
	}
	for _, left := range s.Left {
		im.tell("left: %s", left)
	}
}
