package auth

import (
	"net/url"
	"slices"
	"strings"
)

// identityScopes say who signs in and for how long; they belong to no resource.
var identityScopes = []string{"openid", "profile", "email", "offline_access"}

// outlookHosts are the resources that stand for Exchange mail in Microsoft's clouds.
var outlookHosts = []string{
	"outlook.office.com", "outlook.office365.com", "outlook.office365.us", "outlook-dod.office365.us",
	"partner.outlook.cn", "ps.outlook.com",
}

// mailPermissions, written without a resource, mean Microsoft Graph, whose tokens mail servers refuse
// (learn.microsoft.com, "Scopes and permissions in the Microsoft identity platform").
var mailPermissions = []string{"imap.accessasuser.all", "pop.accessasuser.all", "smtp.send"}

// resource is the host of the API that a scope belongs to, "" when the scope does not say.
func resource(scope string) string {
	u, err := url.Parse(scope)
	if err != nil || u.Scheme == "" {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func isIdentity(scope string) bool { return slices.Contains(identityScopes, strings.ToLower(scope)) }
func isOutlook(scope string) bool  { return slices.Contains(outlookHosts, resource(scope)) }

// permission is what scopes are compared by: answers may differ from requests in prefix, case and order.
func permission(scope string) string {
	scope = strings.ToLower(strings.TrimRight(scope, "/"))
	return scope[strings.LastIndexByte(scope, '/')+1:]
}

// mailScopes are the scopes that open a mailbox.
func mailScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), isIdentity)
}

// checkScopes refuses sets that lead to tokens which no mail server takes.
func checkScopes(provider string, scopes []string) error {
	wrong := func(key, scope string) error { return newProblem(key, about{detail: provider + ": " + scope}) }
	mail := mailScopes(scopes)
	if len(mail) == 0 {
		return wrong("no-scope", strings.Join(scopes, " "))
	}
	outlook := slices.ContainsFunc(mail, isOutlook)
	for _, s := range mail {
		switch {
		case strings.ContainsAny(s, " \t\r\n\""):
			return wrong("no-scope", s)
		case strings.HasPrefix(resource(s), "graph.microsoft."), slices.Contains(mailPermissions, strings.ToLower(s)):
			return wrong("graph-scope", s)
		case outlook && !isOutlook(s), permission(s) == ".default" && len(mail) > 1:
			return wrong("mixed-scopes", s)
		}
	}
	return nil
}

// speaksMicrosoft tells the dialect by what is asked for, so that it also holds for a stand-in.
func (a Account) speaksMicrosoft() bool { return slices.ContainsFunc(a.Provider.Scopes, isOutlook) }

// signInScopes are asked for when a person signs in. Microsoft gives no refresh token without offline_access,
// and no id_token, which tells who signed in, without openid.
func (a Account) signInScopes() []string {
	scopes := slices.Clone(a.Provider.Scopes)
	if !a.speaksMicrosoft() {
		return scopes
	}
	for _, s := range []string{"offline_access", "openid", "profile", "email"} {
		if !slices.ContainsFunc(scopes, func(has string) bool { return strings.EqualFold(has, s) }) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// refreshScopes are asked for at a refresh: the mail scopes, named because a refresh token may serve several
// resources, and only those that were granted, because personal accounts answer another one with invalid_grant.
func (a Account) refreshScopes(granted []string) []string {
	mail := mailScopes(a.Provider.Scopes)
	still := slices.DeleteFunc(slices.Clone(mail), func(s string) bool { return len(missingScopes([]string{s}, granted)) > 0 })
	if len(still) == 0 {
		still = mail
	}
	return still
}

// appScopes are asked for by an app that signs in by itself.
func (a Account) appScopes() []string {
	mail := mailScopes(a.Provider.Scopes)
	if !a.speaksMicrosoft() {
		return mail
	}
	host := resource(mail[0])
	if host == "outlook.office.com" {
		// The one that Microsoft's documentation of app-only access names.
		host = "outlook.office365.com"
	}
	return []string{"https://" + host + "/.default"}
}

// missingScopes are the mail scopes that were asked for and not granted.
func missingScopes(asked, granted []string) []string {
	return slices.DeleteFunc(mailScopes(asked), func(s string) bool {
		return permission(s) == ".default" ||
			slices.ContainsFunc(granted, func(g string) bool { return permission(g) == permission(s) })
	})
}

// consentURL is where an administrator of the organisation grants what the account asks for, "" where the
// provider has no such page (learn.microsoft.com, "Admin consent on the Microsoft identity platform"; the page
// is not served for "common").
func (a Account) consentURL() string {
	base, ok := strings.CutSuffix(a.Provider.AuthorizeURL, "/{tenant}/oauth2/v2.0/authorize")
	if !ok {
		return ""
	}
	tenant := a.Tenant
	if isSharedTenant(tenant) {
		tenant = "organizations"
	}
	q := url.Values{"client_id": {a.ClientID}, "scope": {strings.Join(mailScopes(a.Provider.Scopes), " ")}, "redirect_uri": {"http://localhost"}}
	return base + "/" + tenant + "/v2.0/adminconsent?" + q.Encode()
}

// isSharedTenant tells Microsoft's words for many tenants from one tenant.
func isSharedTenant(tenant string) bool {
	return slices.Contains([]string{"", "common", "organizations", "consumers"}, strings.ToLower(tenant))
}
