package main

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"postern/auth"
)

var microsoftID = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// isMicrosoft knows the clouds by their name: only theirs have a portal and an administrator to explain.
func isMicrosoft(provider string) bool {
	return provider == "outlook" || strings.HasPrefix(provider, "microsoft365")
}

func checkClientID(provider, id string) error {
	switch {
	case id == "":
		return errors.New("a client id is needed")
	case isMicrosoft(provider) && !microsoftID.MatchString(id):
		return errors.New("a client id of Microsoft looks like 00000000-0000-0000-0000-000000000000")
	case strings.ContainsAny(id, " \t"):
		return errors.New("a client id has no blanks")
	}
	return nil
}

// portal is where an app is registered in each of Microsoft's clouds.
func portal(provider string) string {
	switch provider {
	case "microsoft365-gcc-high":
		return "https://portal.azure.us"
	case "microsoft365-china":
		return "https://portal.azure.cn"
	}
	return "https://entra.microsoft.com"
}

// explainClientID says what a client id is and how to get one at this provider.
func explainClientID(p auth.Provider) string {
	if !isMicrosoft(p.Name) {
		text := fmt.Sprintf(`%s wants every program registered. Register one for yourself, of the type "desktop" or
"native", with the redirect URI http://localhost, and copy its client id.
`, p.Name)
		if p.Docs != "" {
			text += "See " + p.Docs + "\n"
		}
		return text
	}
	who, note := "Accounts in any organizational directory", ""
	if p.Name == "outlook" {
		who = "one that includes personal Microsoft accounts"
		note = `A personal account without a directory can no longer register an app: use any work or school directory
that you belong to, or sign up to Azure first. An app registered there works for personal mailboxes.
`
	} else {
		note = `In most organisations an administrator has to do this, or to approve it: answer "admin" to get the text
to send.
`
	}
	return fmt.Sprintf(`Microsoft wants every program registered. It takes five minutes, once:
  1. Open %s and go to: App registrations, New registration. Any name.
  2. Supported account types: %s.
  3. Authentication, Add a platform, "Mobile and desktop applications",
     custom redirect URI http://localhost (not "Web", not "SPA").
  4. Authentication, Advanced settings, Allow public client flows: Yes.
  5. API permissions, Add, Microsoft Graph, Delegated:
     IMAP.AccessAsUser.All, SMTP.Send, POP.AccessAsUser.All, offline_access.
  6. Copy the "Application (client) ID" from the overview.
%s`, portal(p.Name), who, note)
}

// adminConsentURL is where an administrator approves the app for everyone. It takes a tenant or
// "organizations", not "common".
func adminConsentURL(p auth.Provider, tenant, clientID string) string {
	base, _, _ := strings.Cut(p.AuthorizeURL, "/{tenant}")
	if tenant == "" || tenant == "common" {
		tenant = "organizations"
	}
	scopes := slices.DeleteFunc(slices.Clone(p.Scopes), func(s string) bool { return s == "offline_access" })
	q := url.Values{"client_id": {clientID}, "scope": {strings.Join(scopes, " ")}, "redirect_uri": {"http://localhost"}}
	return base + "/" + url.PathEscape(tenant) + "/v2.0/adminconsent?" + q.Encode()
}

// letterToAdmin is ready to be sent. Without a client id it asks for a registration, with one for consent.
func letterToAdmin(p auth.Provider, email, tenant, clientID string) string {
	ask := fmt.Sprintf(`Please approve it for our organisation, by opening this address and accepting:

%s
`, adminConsentURL(p, tenant, clientID))
	if clientID == "" {
		ask = fmt.Sprintf(`Please register it at %s (App registrations, New registration):
- single tenant; platform "Mobile and desktop applications" with the redirect URI http://localhost;
  "Allow public client flows": Yes; no secret is needed;
- delegated permissions: %s, offline_access;
- then "Grant admin consent", and send me the Application (client) ID and the Directory (tenant) ID.
`, portal(p.Name), strings.Join(permissionNames(p.Scopes), ", "))
	}
	return fmt.Sprintf(`Subject: approval of a mail program for %s

Hello,

I read my mail (%s) with a mail program that signs in through Postern, which runs on my own machine.
It acts only as me: it gets delegated permissions for my own mailbox, no access to others' mail, and
it signs in with our usual page and second factor.

%s
Thank you!
`, email, email, ask)
}

func permissionNames(scopes []string) []string {
	var names []string
	for _, s := range scopes {
		if s != "offline_access" {
			names = append(names, s[strings.LastIndexByte(s, '/')+1:])
		}
	}
	return names
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
