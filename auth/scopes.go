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

// Permission is what scopes are compared by: a provider's answer may differ from the request in prefix and case.
func Permission(scope string) string {
	scope = strings.ToLower(strings.TrimRight(scope, "/"))
	return scope[strings.LastIndexByte(scope, '/')+1:]
}

// mailScopes are the scopes that open a mailbox.
func mailScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), isIdentity)
}

// protocolOf says which protocol's servers want a permission; those of providers that have one for all are not
// here (learn.microsoft.com, www.fastmail.com/developer/oauth, Thunderbird's list for Yandex).
var protocolOf = map[string]string{
	"imap.accessasuser.all": "imap", "pop.accessasuser.all": "pop3", "smtp.send": "smtp",
	"protocol-imap": "imap", "protocol-pop": "pop3", "protocol-smtp": "smtp",
	"mail:imap_full": "imap", "mail:smtp": "smtp",
}

// scopesFor leaves out the scopes of protocols that nobody uses: a person is asked for no more than is needed, and
// Microsoft lets people grant some of them only through their administrator. No protocols means all.
func scopesFor(scopes, protocols []string) []string {
	if len(protocols) == 0 {
		return scopes
	}
	wanted := slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		p, known := protocolOf[Permission(s)]
		return known && !slices.Contains(protocols, p)
	})
	if len(mailScopes(wanted)) == 0 {
		return scopes
	}
	return wanted
}

// onlyFor returns the provider with the scopes of these protocols.
func (p Provider) onlyFor(protocols []string) Provider {
	p.every, p.Scopes = p.Scopes, scopesFor(p.Scopes, protocols)
	return p
}

// everyScope is what the provider has for all protocols.
func (p Provider) everyScope() []string {
	if p.every != nil {
		return p.every
	}
	return p.Scopes
}

// Covers returns a *Problem when a token is known to be no good for a protocol ("imap", "smtp", "pop3"): the sign-in
// is from a time when it was not used, or the provider's scopes have none for it.
func (a Account) Covers(protocol string, t Token) error {
	if a.Flow == FlowClientCredentials {
		return nil
	}
	granted := mailScopes(t.Scopes) // none: nobody knows
	var wanted []string
	divided := false // the provider has a scope for each protocol
	for _, s := range a.Provider.everyScope() {
		p, known := protocolOf[Permission(s)]
		divided = divided || known
		if known && p == protocol {
			wanted = append(wanted, s)
		}
	}
	isDefault := func(s string) bool { return Permission(s) == ".default" }
	switch missing := missingScopes(wanted, granted); {
	case !divided, slices.ContainsFunc(granted, isDefault):
	case len(wanted) == 0:
		return newProblem("no-scope-for", about{account: a, detail: protocol})
	case len(granted) > 0 && len(missing) > 0:
		return newProblem("not-covered", about{account: a, detail: protocol + " (" + strings.Join(missing, " ") + ")"})
	}
	return nil
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
		case outlook && !isOutlook(s), Permission(s) == ".default" && len(mail) > 1:
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
// A protocol that is switched off stays in the grant, so that it works at once when it is switched on again.
func (a Account) refreshScopes(granted []string) []string {
	still := slices.DeleteFunc(mailScopes(a.Provider.everyScope()), func(s string) bool { return len(missingScopes([]string{s}, granted)) > 0 })
	if len(still) == 0 {
		still = mailScopes(a.Provider.Scopes)
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

// NotGranted are the mail scopes that the account asks for and that are not among those that were granted.
func (a Account) NotGranted(granted []string) []string {
	return missingScopes(a.Provider.Scopes, granted)
}

// missingScopes are the mail scopes that were asked for and not granted.
func missingScopes(asked, granted []string) []string {
	return slices.DeleteFunc(mailScopes(asked), func(s string) bool {
		return Permission(s) == ".default" ||
			slices.ContainsFunc(granted, func(g string) bool { return Permission(g) == Permission(s) })
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
