package config

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// check checks what an account's keys hold one by one. known are the names of all providers.
func (a Account) check(p *problems, email string, known []string) {
	at := toml.Key{"account", email}
	local, domain, _ := strings.Cut(email, "@")
	forbidden := func(r rune) bool { return isControl(r) || unicode.IsSpace(r) }
	if local == "" || domain == "" || !utf8.ValidString(email) || strings.ContainsFunc(email, forbidden) {
		p.add(at, "want the table named after the mail address, such as [account.\"ann@example.com\"]")
	}
	if a.Provider != "" && !slices.Contains(known, a.Provider) {
		p.add(sub(at, "provider"), "unknown provider %q%s; known are %s",
			a.Provider, suggestion(a.Provider, known), strings.Join(sortedUnique(known), ", "))
	}
	if a.ClientID == "" {
		p.add(sub(at, "client_id"), "missing: Postern ships no client id of its own or of another program; %s",
			clientIDCure(a.Provider, email))
	}
	for _, k := range []struct{ key, value string }{
		{"client_id", a.ClientID}, {"tenant", a.Tenant}, {"mailbox", a.Mailbox}, {"sign_in_as", a.SignInAs},
	} {
		checkText(p, sub(at, k.key), k.value)
	}
	if h := a.PasswordHash; h != "" && !strings.HasPrefix(h, "sha256$") && !strings.HasPrefix(h, "argon2id$") {
		// The text may be the password itself and is not repeated.
		p.add(sub(at, "password_hash"),
			`want the hash of a local password, which begins with "sha256$" or "argon2id$", not the password`)
	}
	checkReadable(p, sub(at, "client_secret_file"), a.ClientSecretFile)
	checkReadable(p, sub(at, "client_certificate"), a.ClientCertificate)
	checkReadable(p, sub(at, "client_key"), a.ClientKey)
}

// clientIDCure says how to come by a client id (Entra's and Google's pages as of 2026-11).
func clientIDCure(provider, email string) string {
	switch {
	case provider == "gmail" || provider == "" && strings.HasSuffix(email, "@gmail.com"):
		return "create one of type \"Desktop app\" at https://console.cloud.google.com/apis/credentials"
	case provider == "" || isMicrosoft(provider):
		return "register an application at https://entra.microsoft.com (App registrations > New registration; platform " +
			"\"Mobile and desktop applications\" with the redirect URI http://localhost; Allow public client flows = Yes) " +
			"and copy its \"Application (client) ID\"; \"postern setup\" leads through it"
	}
	return "register an application with the provider"
}

func isMicrosoft(provider string) bool {
	return provider == "outlook" || strings.HasPrefix(provider, "microsoft365")
}

// checkFlow checks whether the account's keys, and those of its provider's table, allow its way to sign in.
func (a Account) checkFlow(p *problems, email string, table Provider, builtIn bool) {
	at := toml.Key{"account", email}
	certificate := a.ClientCertificate != "" || a.ClientKey != ""
	switch {
	case a.ClientCertificate == "" && a.ClientKey != "":
		p.add(sub(at, "client_certificate"), "missing: client_key is set, and one is of no use without the other")
	case a.ClientCertificate != "" && a.ClientKey == "":
		p.add(sub(at, "client_key"), "missing: client_certificate is set, and one is of no use without the other")
	}
	if certificate && a.ClientSecretFile != "" {
		p.add(sub(at, "client_secret_file"), "set together with a certificate: want one of the two")
	}
	own := a.Provider != "" && !builtIn // all that is known of the provider is its table
	switch a.Flow {
	case flowBrowser:
		if own && table.TokenURL != "" && table.AuthorizeURL == "" {
			p.add(sub(at, "flow"), "%q needs provider.%s.authorize_url", a.Flow, a.Provider)
		}
	case flowDevice:
		if own && table.TokenURL != "" && table.DeviceURL == "" {
			p.add(sub(at, "flow"), "%q needs provider.%s.device_url", a.Flow, a.Provider)
		}
	case flowClientCredentials:
		if a.ClientSecretFile == "" && !certificate {
			p.add(sub(at, "flow"), "%q needs client_secret_file, or client_certificate and client_key", a.Flow)
		}
		a.checkTenant(p, at, table)
	default:
		oneOf(p, sub(at, "flow"), a.Flow, flowBrowser, flowDevice, flowClientCredentials)
	}
}

// checkTenant wants the tenant of one organisation: Microsoft gives tokens to an application itself only there.
func (a Account) checkTenant(p *problems, at toml.Key, table Provider) {
	if a.Provider == "outlook" {
		p.add(sub(at, "flow"), "%q does not exist for personal accounts: want \"browser\" or \"device\"", a.Flow)
		return
	}
	if a.Provider != "" && !isMicrosoft(a.Provider) {
		return
	}
	tenant := a.Tenant
	if tenant == "" {
		tenant = table.Tenant
	}
	switch strings.ToLower(tenant) {
	case "", "common", "consumers", "organizations":
		p.add(sub(at, "tenant"), "flow %q needs the organisation's own tenant, such as \"contoso.onmicrosoft.com\" or its id, got %q",
			a.Flow, tenant)
	}
}

func sortedUnique(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}
