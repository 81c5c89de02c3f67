package emulator

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"time"
)

// accessToken is one issued access token. Its value is opaque to the client; the emulator looks it up.
type accessToken struct {
	user    *User // nil for app-only
	client  *Client
	scopes  scopes // of its one audience
	expires time.Time
	revoked bool
}

// tokenAnswer is a successful answer of the token endpoint, RFC 6749 section 5.1, with Microsoft's extras.
type tokenAnswer struct {
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope,omitempty"`
	ExpiresIn    any    `json:"expires_in,omitempty"`
	ExtExpiresIn any    `json:"ext_expires_in,omitempty"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	ClientInfo   string `json:"client_info,omitempty"`

	expires time.Time
}

// issueLocked makes the tokens that a grant has earned.
func (id *Identity) issueLocked(i issue, noRefresh bool) tokenAnswer {
	now := time.Now()
	audience := audienceGraph // a request for OpenID Connect scopes alone gets a Graph token
	if list := i.asked.audiences(); len(list) > 0 {
		audience = list[0] // one token, one resource: the first one's
	}
	life := id.lifeLocked(i.life)
	t := &accessToken{user: i.user, client: i.client, scopes: i.asked.of(audience), expires: now.Add(life)}
	a := tokenAnswer{
		TokenType: "Bearer",
		Scope:     i.asked.echo(audience),
		expires:   t.expires,
	}
	a.ExpiresIn, a.ExtExpiresIn = id.policy.ExpiresIn.form(life), id.policy.ExpiresIn.form(life)
	switch {
	case i.user == nil:
		a.Scope = ""
		a.AccessToken = jwt(id.appClaims(i.client, audience, now, t.expires))
	case i.user.Work:
		a.AccessToken = jwt(id.workClaims(i.user, i.client, audience, a.Scope, now, t.expires))
	default:
		a.AccessToken = newConsumerToken()
	}
	id.forgetExpiredLocked(now)
	id.access[a.AccessToken] = t
	if i.user != nil && i.granted.has("offline_access") && !noRefresh {
		a.RefreshToken = id.rotateLocked(i, now)
	}
	if i.user != nil && i.asked.has("openid") {
		a.IDToken = jwt(id.identityClaims(i, now, now.Add(time.Hour)))
	}
	if i.user != nil && i.info {
		a.ClientInfo = clientInfo(i.user)
	}
	return a
}

func (id *Identity) lifeLocked(wanted time.Duration) time.Duration {
	if life := orDefault(wanted, id.policy.AccessLife); life != 0 {
		return life
	}
	return time.Hour + mathrand.N(30*time.Minute).Truncate(time.Second)
}

func (form ExpiresForm) form(life time.Duration) any {
	seconds := int(life.Seconds())
	switch form {
	case ExpiresString:
		return strconv.Itoa(seconds)
	case ExpiresAbsent:
		return nil
	}
	return seconds
}

// forgetExpiredLocked keeps a long-lived emulator small. Expired tokens are refused either way.
func (id *Identity) forgetExpiredLocked(now time.Time) {
	if len(id.access) < 10_000 {
		return
	}
	for value, t := range id.access {
		if now.After(t.expires) {
			delete(id.access, value)
		}
	}
}

// jwt is well-formed; the signature is of random bytes, since Microsoft tells clients not to look at it.
func jwt(claims map[string]any) string {
	head, _ := json.Marshal(map[string]string{"typ": "JWT", "alg": "RS256", "kid": "emulator"})
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err) // only our own claims come here
	}
	return base64url(head) + "." + base64url(body) + "." + newSecretOf(256)
}

func (id *Identity) identityClaims(i issue, now, expires time.Time) map[string]any {
	claims := map[string]any{
		"ver": "2.0", "iss": id.base + "/" + i.user.tenantID() + "/v2.0", "aud": i.client.ID,
		"sub": i.user.objectID(), "oid": i.user.objectID(), "tid": i.user.tenantID(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": expires.Unix(),
	}
	if i.asked.has("profile") {
		claims["name"], claims["preferred_username"] = i.user.Name, i.user.Address
	}
	if i.asked.has("email") {
		claims["email"] = i.user.Address
	}
	if i.nonce != "" {
		claims["nonce"] = i.nonce
	}
	return claims
}

// workClaims makes a token as long as a work account's, 1.5 to 2 kB.
func (id *Identity) workClaims(user *User, client *Client, audience, scope string, now, expires time.Time) map[string]any {
	return map[string]any{
		"aud": audience, "iss": "https://sts.windows.net/" + user.tenantID() + "/", "tid": user.tenantID(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": expires.Unix(), "acr": "1", "amr": []string{"pwd", "mfa"},
		"aio": newSecretOf(120), "app_displayname": client.Name, "appid": client.ID, "appidacr": "0",
		"idtyp": "user", "ipaddr": "127.0.0.1", "name": user.Name, "oid": user.objectID(), "puid": newSecretOf(12),
		"rh": newSecretOf(60), "scp": scope, "sid": newGUID(), "sub": newSecretOf(32), "unique_name": user.Address,
		"upn": user.Address, "uti": newSecretOf(16), "ver": "1.0", "wids": []string{newGUID(), newGUID()},
		"xms_ftd": newSecretOf(48), "xms_tcdt": 1_600_000_000,
	}
}

func (id *Identity) appClaims(client *Client, audience string, now, expires time.Time) map[string]any {
	return map[string]any{
		"aud": audience, "iat": now.Unix(), "nbf": now.Unix(), "exp": expires.Unix(), "appid": client.ID,
		"idtyp": "app", "roles": []string{"IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"},
		"aio": newSecretOf(60), "uti": newSecretOf(16), "ver": "1.0",
	}
}

// newConsumerToken is opaque, and in the standard base64 alphabet: "+" and "/" occur.
func newConsumerToken() string {
	b := make([]byte, 840)
	rand.Read(b)
	return "EwB4A8l6BAAU" + base64.StdEncoding.EncodeToString(b)
}

func newCode(user *User) string {
	if user.Work {
		return "1.AXQA" + newSecretOf(600)
	}
	return "M.C501_BAY.2.U." + newGUID()
}

func newRefresh(user *User) string {
	if user.Work {
		return "1.AXQA" + newSecretOf(800)
	}
	return "M.C501_BAY.0.U.-" + newSecretOf(280)
}

func newSecret(prefix string) string { return prefix + newSecretOf(48) }

func newSecretOf(size int) string {
	b := make([]byte, size)
	rand.Read(b)
	return base64url(b)
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// objectID is stable for an address, so that a person is the same in every run.
func (u *User) objectID() string { return stableGUID("user " + u.Address) }

func (u *User) tenantID() string {
	if !u.Work {
		return consumerTenant
	}
	return stableGUID("tenant")
}

func stableGUID(of string) string {
	b := sha256.Sum256([]byte(of))
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
