package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"postern/auth"
	"postern/internal/store"
)

// token gets the access token that a session would get, and looks into it.
func (c *checkup) token(ctx context.Context, a auth.Account) bool {
	t := c.about(a, "token")
	rec, err := c.store.View(ctx, a.Email)
	if err != nil || rec.Token == nil {
		found := "this account has never signed in"
		if !rec.LoggedOut.IsZero() {
			found = "this account was signed out on " + rec.LoggedOut.Local().Format(time.DateTime)
		}
		return t.fail(exitSignIn, "postern login "+a.Email, "%s", found)
	}
	got, err := c.accounts.Token(ctx, a.Email)
	if err != nil {
		return t.failWith(err)
	}
	if after, err := c.store.View(ctx, a.Email); err == nil && after.Token != nil {
		rec = after // with what came with a renewed token
	}
	claims, readable := readClaims(got.Access)
	if readable && claims.isGraph() {
		return t.fail(exitConfig, "correct scopes in provider."+a.Provider.Name+": they begin with https://outlook.office.com/",
			"it is for Microsoft Graph, and mail servers refuse it")
	}
	t.lasting(a, rec.Token, got, claims, readable)
	c.about(a, "scopes").granted(a, rec.Token)
	c.about(a, "signed in as").person(a, rec.Token, claims)
	return true
}

// lasting says what the token is and how long it will do.
func (t topic) lasting(a auth.Account, kept *store.Token, got auth.Token, claims tokenClaims, readable bool) {
	kind := "opaque"
	if readable {
		kind = "a JWT for " + claims.audience()
	}
	end := "good until " + got.Expiry.Local().Format(time.DateTime)
	switch {
	case readable && claims.app() != "" && claims.app() != a.ClientID:
		t.warn("postern login "+a.Email, "%s, %s; it was given to another app (%s)", kind, end, claims.app())
	case kept.Refresh.IsZero() && a.Flow != auth.FlowClientCredentials:
		t.warn("let the scopes have offline_access, then: postern login "+a.Email, "%s, %s; it can not be renewed: there is no refresh token", kind, end)
	default:
		t.ok("%s, %s", kind, end)
	}
}

// granted compares what the provider gave with what the account asks for.
func (t topic) granted(a auth.Account, kept *store.Token) {
	if a.Flow == auth.FlowClientCredentials {
		t.ok("%s", strings.Join(kept.Scopes, " "))
		return
	}
	missing := a.NotGranted(kept.Scopes) // those about the person and the sign-in's length need not be granted in words
	if len(missing) > 0 {
		t.warn("postern login "+a.Email, "the sign-in does not cover %s", strings.Join(missing, " "))
		return
	}
	t.ok("everything that is asked for was granted")
}

// permissions are Microsoft's names of what a protocol needs.
var permissions = map[string]string{"imap": "IMAP.AccessAsUser.All", "smtp": "SMTP.Send", "pop3": "POP.AccessAsUser.All"}

// covers looks whether the scopes are for the protocol at all. It says nothing when they are, or are not Microsoft's.
func (t topic) covers(a auth.Account, protocol string) bool {
	var granting []string // the protocols that the scopes are for
	for name, p := range permissions {
		if slices.ContainsFunc(a.Provider.Scopes, func(s string) bool { return auth.Permission(s) == auth.Permission(p) }) {
			granting = append(granting, name)
		}
	}
	if a.Flow == auth.FlowClientCredentials || len(granting) == 0 || slices.Contains(granting, protocol) {
		return true
	}
	return t.fail(exitConfig, "add https://outlook.office.com/"+permissions[protocol]+" to scopes in provider."+a.Provider.Name+", then: postern login "+a.Email,
		"the scopes are for %s only", strings.Join(slices.Sorted(slices.Values(granting)), " and "))
}

// person compares who signed in with who should.
func (t topic) person(a auth.Account, kept *store.Token, claims tokenClaims) {
	as := kept.SignedInAs
	if name := claims.name(); name != "" {
		as = name
	}
	switch {
	case a.Flow == auth.FlowClientCredentials:
		t.ok("%s, for the mailbox %s", as, a.Mailbox)
	case as == "":
		t.unknown("the provider does not tell")
	case !strings.EqualFold(as, a.SignInAs):
		t.warn("sign in as "+a.SignInAs+": postern login "+a.Email+"; or, if both are the same person, set sign_in_as",
			"%s, but this account is %s", as, a.SignInAs)
	case !strings.EqualFold(as, a.Mailbox):
		t.ok("%s, for the mailbox %s", as, a.Mailbox)
	default:
		t.ok("%s", as)
	}
}

// tokenClaims is what can be read in an access token that is a JWT (RFC 7519), as Microsoft's are for work
// accounts. It is for the mail server and its form may change: nothing but this report depends on it.
type tokenClaims struct {
	Audience  json.RawMessage `json:"aud"`
	AppID     string          `json:"appid"`
	Party     string          `json:"azp"`
	UPN       string          `json:"upn"`
	Name      string          `json:"unique_name"`
	Preferred string          `json:"preferred_username"`
}

func readClaims(token auth.Secret) (claims tokenClaims, ok bool) {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return claims, false
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	return claims, err == nil && json.Unmarshal(b, &claims) == nil
}

// audience is the resource that the token opens; of several the first.
func (t tokenClaims) audience() string {
	var one string
	var many []string
	switch {
	case json.Unmarshal(t.Audience, &one) == nil && one != "":
		return one
	case json.Unmarshal(t.Audience, &many) == nil && len(many) > 0:
		return many[0]
	}
	return "nobody in particular"
}

// graphID is what Microsoft Graph is called where it is not called by its address.
const graphID = "00000003-0000-0000-c000-000000000000"

func (t tokenClaims) isGraph() bool {
	u, err := url.Parse(t.audience())
	return t.audience() == graphID || err == nil && strings.HasPrefix(u.Hostname(), "graph.microsoft.")
}

func (t tokenClaims) app() string {
	if t.AppID != "" {
		return t.AppID
	}
	return t.Party
}

func (t tokenClaims) name() string {
	for _, name := range []string{t.UPN, t.Name, t.Preferred} {
		if strings.Contains(name, "@") {
			return name
		}
	}
	return ""
}

// causes are why a server that took the connection refuses the token or the mailbox, the likeliest first. It
// does not say itself.
func (c *checkup) causes(ctx context.Context, a auth.Account, protocol string) string {
	as := ""
	if rec, err := c.store.View(ctx, a.Email); err == nil && rec.Token != nil {
		as = rec.Token.SignedInAs
	}
	switchOn := strings.ToUpper(protocol) + ` is switched off for the mailbox (Outlook.com: Settings, Mail, Forwarding and IMAP; at work the administrator: Set-CASMailbox)`
	fault := "Microsoft has a fault or pauses the mailbox: wait an hour"
	var causes []string
	switch {
	case a.Flow == auth.FlowClientCredentials:
		causes = []string{"the app is not known to Exchange (New-ServicePrincipal with the object id of the enterprise application) or has no right to " +
			a.Mailbox + " (Add-MailboxPermission)", switchOn, fault}
	case as != "" && !strings.EqualFold(as, a.Mailbox):
		causes = []string{as + " has no full access to " + a.Mailbox, switchOn, fault}
	case as != "":
		causes = []string{switchOn, "there is no mailbox of that name, or no licence for it", fault}
	default:
		causes = []string{"another person than " + a.SignInAs + " signed in (postern login " + a.Email + ")", switchOn, fault}
	}
	return "the likeliest causes: " + strings.Join(causes, "; or ")
}
