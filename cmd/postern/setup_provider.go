package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"postern/auth"
)

// mxPatience is how long setup waits for the name service: a person sits there.
const mxPatience = 3 * time.Second

type lookupMX func(ctx context.Context, domain string) ([]*net.MX, error)

// foundProvider is what an address tells about where its mail is.
type foundProvider struct {
	name string
	why  string // for a person; "" when nothing was found and name is only a guess
}

// mailHosts are the endings of the providers' MX hosts.
var mailHosts = []struct{ ending, provider string }{
	{".mail.protection.outlook.com", "microsoft365"},
	{".mx.microsoft", "microsoft365"},
	{".mail.protection.office365.us", "microsoft365-gcc-high"},
	{".mail.protection.partner.outlook.cn", "microsoft365-china"},
	{".olc.protection.outlook.com", "outlook"},
	{".google.com", "gmail"},
	{".googlemail.com", "gmail"},
	{".yahoodns.net", "yahoo"},
	{".messagingengine.com", "fastmail"},
	{".yandex.net", "yandex"},
	{".yandex.ru", "yandex"},
	{".mail.ru", "mailru"},
}

// findProvider goes by the address's domain, and by its MX record where the domain says nothing.
func findProvider(ctx context.Context, email string, lookup lookupMX) foundProvider {
	domain := strings.ToLower(email[strings.LastIndexByte(email, '@')+1:])
	guess := auth.ProviderFor(email)
	if guess != "microsoft365" || strings.HasSuffix(domain, ".onmicrosoft.com") {
		return foundProvider{guess, "by the address"}
	}
	if hasNoMail(domain) {
		return foundProvider{name: guess}
	}
	ctx, cancel := context.WithTimeout(ctx, mxPatience)
	defer cancel()
	records, err := lookup(ctx, domain)
	if err != nil {
		return foundProvider{name: guess}
	}
	for _, mx := range records {
		host := "." + strings.ToLower(strings.TrimSuffix(mx.Host, "."))
		for _, known := range mailHosts {
			if strings.HasSuffix(host, known.ending) {
				return foundProvider{known.provider, fmt.Sprintf("%s has its mail at %s", domain, host[1:])}
			}
		}
	}
	return foundProvider{name: guess}
}

// hasNoMail knows the domains that are reserved for examples and tests (RFC 6761).
func hasNoMail(domain string) bool {
	labels := strings.Split(domain, ".")
	last := labels[len(labels)-1]
	if slices.Contains([]string{"test", "invalid", "example", "localhost"}, last) {
		return true
	}
	return len(labels) > 1 && labels[len(labels)-2] == "example" && slices.Contains([]string{"com", "net", "org"}, last)
}
