package emulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// pass is what an access token allows at the mail server.
type pass struct {
	token   *accessToken // identifies the token, for Identity.ExpireAccess
	owner   string       // the person's address; the client id for app-only
	app     bool
	expires time.Time
}

// admit looks a bearer token up for a mail server: right audience, the scope it wants, not expired, not revoked.
func (id *Identity) admit(bearer, wanted string) (pass, bool) {
	id.mu.Lock()
	defer id.mu.Unlock()
	t := id.access[bearer]
	if t == nil || t.revoked || !time.Now().Before(t.expires) || !t.covers(wanted) {
		return pass{}, false
	}
	p := pass{token: t, owner: t.client.ID, app: t.user == nil, expires: t.expires}
	if t.user != nil {
		p.owner = t.user.Address
	}
	return p, true
}

func (t *accessToken) covers(wanted string) bool {
	wanted = wanted[strings.LastIndexByte(wanted, '/')+1:]
	for _, s := range t.scopes {
		switch {
		case s.audience == audienceGoogle:
			return true
		case s.audience != audienceMail:
		case s.isDefault(), strings.EqualFold(s.name, wanted):
			return true
		}
	}
	return false
}

// RevokeUser ends every sign-in of a person so far, as a password change does: refresh tokens answer AADSTS50173.
// Access tokens live on, as at Microsoft. A new sign-in works.
func (id *Identity) RevokeUser(address string) {
	id.mu.Lock()
	defer id.mu.Unlock()
	for _, f := range id.families {
		if strings.EqualFold(f.user.Address, address) && f.dead == 0 {
			f.dead = 50173
		}
	}
}

// ExpireAccess makes a person's access tokens expire now. Live IMAP sessions meet it as they meet the real expiry.
func (id *Identity) ExpireAccess(address string) {
	id.mu.Lock()
	ended := id.endAccessLocked(address, func(t *accessToken) { t.expires = time.Now() })
	tell := id.expired
	id.mu.Unlock()
	if tell != nil {
		tell(ended)
	}
}

// RevokeAccess makes a person's access tokens useless for new logins; live IMAP sessions go on.
func (id *Identity) RevokeAccess(address string) {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.endAccessLocked(address, func(t *accessToken) { t.revoked = true })
}

func (id *Identity) endAccessLocked(owner string, end func(*accessToken)) map[*accessToken]bool {
	ended := make(map[*accessToken]bool)
	for _, t := range id.access {
		if t.user != nil && strings.EqualFold(t.user.Address, owner) || t.user == nil && t.client.ID == owner {
			end(t)
			ended[t] = true
		}
	}
	return ended
}

// Reuses is how many families of refresh tokens Policy.ReuseDetection has ended.
func (id *Identity) Reuses() int {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.reuses
}

// Secrets is every token and code that was given out so far, for tests that look where they must not be.
func (id *Identity) Secrets() []string {
	id.mu.Lock()
	defer id.mu.Unlock()
	all := slices.Collect(maps.Keys(id.access))
	all = slices.AppendSeq(all, maps.Keys(id.refresh))
	all = slices.AppendSeq(all, maps.Keys(id.codes))
	for _, d := range id.devices {
		all = append(all, d.code)
	}
	return all
}

// Grant says what tokens to make without a sign-in.
type Grant struct {
	User     string        // "" = the first of Options.Users
	ClientID string        // "" = the first of Options.Clients
	Scopes   []string      // nil = ScopeIMAP and offline_access
	Life     time.Duration // of the access token; 0 = the policy's
}

// Tokens is what Issue made. Refresh is "" when offline_access was not among the scopes.
type Tokens struct {
	Access, Refresh string
	Expiry          time.Time // of Access
}

// Issue makes tokens as if the person had just signed in.
func (id *Identity) Issue(g Grant) (Tokens, error) {
	if g.Scopes == nil {
		g.Scopes = []string{ScopeIMAP, "offline_access"}
	}
	list, refused := parseScopes(strings.Join(g.Scopes, " "))
	if refused != nil {
		return Tokens{}, fmt.Errorf("emulator: issue: %s", refused.text)
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	user := id.people[0]
	if g.User != "" {
		user = id.userLocked(g.User)
	}
	if g.ClientID == "" {
		g.ClientID = id.firstClient
	}
	client := id.clients[g.ClientID]
	if user == nil || client == nil {
		return Tokens{}, fmt.Errorf("emulator: issue: no user %q or no client %q", g.User, g.ClientID)
	}
	a := id.issueLocked(issue{user: user, client: client, granted: list, asked: list, life: g.Life}, false)
	return Tokens{Access: a.AccessToken, Refresh: a.RefreshToken, Expiry: a.expires}, nil
}
