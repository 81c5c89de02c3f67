package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"postern/auth"
	"postern/internal/migration"
)

// take makes one account, or says why not. Its error ends the import.
func (im *importer) take(ctx context.Context, a migration.Account) error {
	name, tenant, known := im.provider(a)
	existing, err := im.manager.Account(ctx, a.Email)
	there := err == nil
	if err != nil && !errors.Is(err, auth.ErrUnknownAccount) {
		return err
	}
	clientID := cmp.Or(a.ClientID, im.o.clientID)
	if there && clientID == "" {
		clientID = existing.ClientID
	}
	switch {
	case a.Broken != "":
		im.notTaken("%s", a.Broken)
	case a.Email == "":
		im.notTaken("the file does not say whose it is: postern import %s EMAIL", shellWord(im.file))
	case checkAddress(a.Email) != nil:
		im.notTaken("its name is no mail address")
	case !known:
		im.notTaken("its provider is not built in; put this into the configuration file and import again:")
		im.ui.print("%s", im.providerTable(a))
	case clientID == "":
		im.notTaken("the client id is not in the file: give it with --client-id (docs/microsoft.md says how to get one of your own)")
	case there && (existing.Provider.Name != name || existing.ClientID != clientID):
		im.notTaken("there is an account of that name already, with provider %s and client id %s; postern account remove %s makes room",
			existing.Provider.Name, existing.ClientID, shellWord(a.Email))
	default:
		return im.add(ctx, a, there, auth.Account{Email: a.Email, Provider: auth.Provider{Name: name}, ClientID: clientID, Tenant: tenant, Flow: auth.Flow(a.Flow),
			ClientCertificate: im.besideFile(a.ClientCertificate), ClientKey: im.besideFile(a.ClientKey)})
	}
	return nil
}

func (im *importer) notTaken(format string, args ...any) {
	im.tell("  not taken: "+format, args...)
}

// add makes the account and brings its tokens along.
func (im *importer) add(ctx context.Context, a migration.Account, there bool, account auth.Account) error {
	refresh, secret, trouble := im.open(ctx, a)
	if ctx.Err() != nil { // Ctrl-C where the password was asked for
		return ctx.Err()
	}
	if secret.IsZero() {
		secret = a.ClientSecret
	}
	if refresh.IsZero() {
		refresh = a.Refresh
	}
	if !secret.IsZero() && account.ClientCertificate == "" {
		account.ClientSecretFile = im.secretFile(a.Email)
	}
	if !there && !im.o.dryRun {
		if account.ClientSecretFile != "" {
			if err := writeSecret(account.ClientSecretFile, secret); err != nil {
				return failed(fmt.Errorf("client secret of %s: %w", a.Email, err), "check the state directory's permissions")
			}
		}
		if err := im.manager.AddAccount(ctx, account); err != nil {
			p, ok := errors.AsType[*auth.Problem](err)
			if !ok {
				return err
			}
			im.notTaken("%s", p.Error())
			return nil
		}
	}
	im.taken++
	im.say(a, there, account)
	return im.bringTokens(ctx, a, account, refresh, trouble)
}

func (im *importer) say(a migration.Account, there bool, account auth.Account) {
	word := "taken"
	if there {
		word = "there already"
	}
	im.tell("  %s: provider %s, client id %s, sign-in by %s", word, account.Provider.Name, account.ClientID, cmp.Or(string(account.Flow), "browser"))
	if account.Tenant != "" {
		im.tell("  taken: tenant %s", account.Tenant)
	}
	if account.ClientSecretFile != "" && !there {
		im.tell("  taken: client secret, into %s", account.ClientSecretFile)
	}
	if account.ClientCertificate != "" {
		im.tell("  taken: certificate %s, where it is", account.ClientCertificate)
	}
	if len(a.Scopes) > 0 {
		if extra := otherScopes(a.Scopes); len(extra) > 0 {
			im.tell("  left: scopes %s: Postern asks for mail only", strings.Join(extra, " "))
		}
	}
}

// bringTokens signs the account in with the other program's refresh token.
func (im *importer) bringTokens(ctx context.Context, a migration.Account, account auth.Account, refresh auth.Secret, trouble string) error {
	signIn := "postern login " + shellWord(a.Email)
	switch {
	case trouble != "":
		im.tell("  left: tokens: %s", trouble)
	case refresh.IsZero():
	case im.o.dryRun:
		im.tell("  taken: refresh token: no new sign-in is needed")
		signIn = ""
	default:
		switch err := im.manager.Adopt(ctx, a.Email, refresh, a.Scopes); {
		case errors.Is(err, auth.ErrSignedIn):
			im.tell("  left: refresh token: the account is signed in already")
		case err != nil:
			return err
		default:
			im.tell("  taken: refresh token: no new sign-in is needed")
		}
		signIn = ""
	}
	if signIn != "" {
		im.next = append(im.next, signIn)
	}
	im.next = append(im.next, "postern password add "+shellWord(a.Email)+" (or --choose, to keep the password that the mail client has)")
	return nil
}

// open asks for the password that opens an account's tokens.
func (im *importer) open(ctx context.Context, a migration.Account) (refresh, clientSecret auth.Secret, trouble string) {
	if a.Sealed == nil {
		return refresh, clientSecret, ""
	}
	passwords := im.passwordsFor(ctx, a.Email)
	if len(passwords) == 0 {
		return refresh, clientSecret, "they are encrypted with the mail client's password: with --password it is read from standard input"
	}
	var err error
	for _, p := range passwords {
		refresh, clientSecret, err = a.Sealed.Open(auth.NewSecret(p))
		if err == nil {
			return refresh, clientSecret, ""
		}
		if !errors.Is(err, migration.ErrWrongPassword) {
			break
		}
	}
	return refresh, clientSecret, err.Error()
}

// passwordsFor asks a person for each account; a pipe has one line for each password, and is read once.
func (im *importer) passwordsFor(ctx context.Context, email string) []string {
	if f, ok := im.ui.in.(*os.File); ok && im.file != "-" && term.IsTerminal(int(f.Fd())) {
		typed, err := im.ui.secret(ctx, "the mail client's password for "+email+" (empty to sign in anew): ")
		if err != nil || typed == "" {
			return nil
		}
		return []string{typed}
	}
	if im.o.password && !im.asked {
		im.asked = true
		piped, _ := io.ReadAll(io.LimitReader(im.ui.in, 64<<10))
		for line := range bytes.Lines(piped) {
			if p := strings.TrimRight(string(line), "\r\n"); p != "" {
				im.passwords = append(im.passwords, p)
			}
		}
	}
	return im.passwords
}

// provider finds which of ours an account's endpoints are, and the tenant where it is not the usual one.
func (im *importer) provider(a migration.Account) (name, tenant string, ok bool) {
	likely := auth.ProviderFor(a.Email)
	if a.TokenURL == "" && a.AuthorizeURL == "" {
		return im.service(a, likely)
	}
	var names []string
	for name, p := range im.providers {
		if sameHost(a.TokenURL, p.TokenURL) || a.TokenURL == "" && sameHost(a.AuthorizeURL, p.AuthorizeURL) {
			names = append(names, name)
		}
	}
	// Google has had several hosts for the same tokens.
	if len(names) == 0 && (strings.Contains(a.TokenURL, "://accounts.google.com/") || strings.Contains(a.TokenURL, ".googleapis.com/")) {
		names = []string{"gmail"}
	}
	if len(names) == 0 {
		return "", "", false
	}
	tenant = cmp.Or(tenantIn(a.TokenURL, im.providers[names[0]].TokenURL), a.Tenant)
	slices.Sort(names)
	name = names[0]
	switch {
	case slices.Contains(names, "outlook") && tenant == "consumers":
		name = "outlook"
	case slices.Contains(names, likely):
		name = likely
	case slices.Contains(names, "microsoft365"):
		name = "microsoft365"
	}
	return name, unusual(tenant, im.providers[name]), true
}

// service goes by the name that the other program has for a provider.
func (im *importer) service(a migration.Account, likely string) (name, tenant string, ok bool) {
	switch {
	case a.Service == "google":
		name = "gmail"
	case a.Service == "microsoft" && (a.Tenant == "consumers" || likely == "outlook"):
		name = "outlook"
	case a.Service == "microsoft":
		name = "microsoft365"
	default:
		name = a.Service
	}
	p, ok := im.providers[name]
	return name, unusual(a.Tenant, p), ok
}

func unusual(tenant string, p auth.Provider) string {
	// "common" in the other program's file was its default, not a choice: personal accounts have their own.
	if strings.EqualFold(tenant, p.Tenant) || strings.EqualFold(tenant, "common") && p.Name == "outlook" {
		return ""
	}
	return tenant
}

func sameHost(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(strings.ReplaceAll(b, "{tenant}", "common"))
	return errX == nil && errY == nil && x.Host != "" && strings.EqualFold(x.Host, y.Host)
}

// tenantIn is what stands in an endpoint where ours has "{tenant}".
func tenantIn(endpoint, ours string) string {
	before, _, ok := strings.Cut(ours, "{tenant}")
	rest, found := strings.CutPrefix(endpoint, before)
	if !ok || !found {
		return ""
	}
	tenant, _, _ := strings.Cut(rest, "/")
	return tenant
}

// providerTable is what the configuration file needs for a provider that is not built in.
func (im *importer) providerTable(a migration.Account) string {
	name := strings.ReplaceAll(a.Email[strings.LastIndexByte(a.Email, '@')+1:], ".", "-")
	var b strings.Builder
	fmt.Fprintf(&b, "    [provider.%s]\n", name)
	for _, k := range []struct{ key, value string }{
		{"authorize_url", a.AuthorizeURL}, {"token_url", a.TokenURL}, {"device_url", a.DeviceURL}, {"imap", a.IMAP}, {"smtp", a.SMTP}, {"pop3", a.POP3},
	} {
		if k.value != "" {
			fmt.Fprintf(&b, "    %s = %q\n", k.key, k.value)
		}
	}
	if len(a.Scopes) > 0 {
		fmt.Fprintf(&b, "    scopes = [%s]\n", quotedWords(a.Scopes))
	}
	return b.String()
}

// otherScopes are those that are for no mail and no sign-in.
func otherScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		s = strings.ToLower(s)
		for _, word := range []string{"imap", "pop.", "smtp", "mail", "offline_access", "openid", "profile", "email", ".default"} {
			if strings.Contains(s, word) {
				return true
			}
		}
		return false
	})
}

// secretFile is where an account's client secret is put.
func (im *importer) secretFile(email string) string {
	return filepath.Join(im.stateDir(), "client-secrets", url.PathEscape(email))
}

func writeSecret(path string, secret auth.Secret) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(secret.Reveal()+"\n"), 0o600)
}

// besideFile makes a path in the file good for any directory.
func (im *importer) besideFile(path string) string {
	if path == "" || filepath.IsAbs(path) || im.file == "-" {
		return absolute(path)
	}
	return absolute(filepath.Join(filepath.Dir(im.file), path))
}
