package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// issue says what tokens a request has earned.
type issue struct {
	user    *User   // nil for app-only
	client  *Client // the app
	granted scopes  // all that was consented to
	asked   scopes  // for this access token
	family  *family // of the refresh token presented; nil starts one
	parent  *refreshToken
	nonce   string
	life    time.Duration // 0 = the policy's
	info    bool          // client_info asked
}

// token is the token endpoint, RFC 6749 section 3.2.
func (id *Identity) token(r *http.Request, f Fault) answer {
	if refused := f.refusal(); refused != nil {
		return id.errorAnswer(refused)
	}
	if r.Method != http.MethodPost {
		return id.errorAnswer(refuse(900561))
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	earned, refused := id.grantLocked(r)
	if refused != nil {
		id.log.Info("identity refused", "code", refused.code, "error", refused.value)
		return id.errorAnswer(refused)
	}
	return jsonAnswer(http.StatusOK, id.issueLocked(earned, f.NoRefresh))
}

func (id *Identity) grantLocked(r *http.Request) (earned issue, refused *refusal) {
	form, tenant := r.PostForm, r.PathValue("tenant")
	client, refused := id.authenticateClientLocked(r)
	if refused != nil {
		return issue{}, refused
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		earned, refused = id.codeGrantLocked(form, tenant, client)
	case "refresh_token":
		earned, refused = id.refreshGrantLocked(form, client)
	case grantDevice:
		earned, refused = id.deviceGrantLocked(form, tenant, client)
	case "client_credentials":
		earned, refused = appGrant(form, tenant, client)
	case "":
		return issue{}, refuse(900144, "The request body must contain the following parameter: 'grant_type'.")
	default:
		return issue{}, refuse(70003)
	}
	earned.info = form.Get("client_info") == "1"
	return earned, refused
}

// codeGrantLocked redeems an authorization code, RFC 6749 section 4.1.3.
func (id *Identity) codeGrantLocked(form url.Values, tenant string, client *Client) (issue, *refusal) {
	c := id.codes[form.Get("code")]
	switch {
	case form.Get("code") == "":
		return issue{}, refuse(900144, "The request body must contain the following parameter: 'code'.")
	case c == nil || c.signIn.client != client:
		return issue{}, refuse(70000)
	case !strings.EqualFold(c.signIn.tenant, tenant):
		return issue{}, refuse(700005)
	case c.used:
		return issue{}, refuse(54005)
	case time.Now().After(c.expires):
		return issue{}, refuse(70008)
	}
	if refused := c.checkRedirect(form.Get("redirect_uri")); refused != nil {
		return issue{}, refused
	}
	if refused := c.checkVerifier(form.Get("code_verifier"), client); refused != nil {
		return issue{}, refused
	}
	asked, refused := askedScopes(form, c.signIn.scopes, c.user)
	if refused != nil {
		return issue{}, refused
	}
	c.used = true
	return issue{
		user:    c.user,
		client:  client,
		granted: c.signIn.scopes,
		asked:   asked,
		nonce:   c.signIn.nonce,
	}, nil
}

func (c *code) checkRedirect(redirectURI string) *refusal {
	if redirectURI == c.signIn.redirectURI {
		return nil
	}
	if !c.user.Work {
		return refuse(70000, "The provided value for the input parameter 'redirect_uri' is not valid.")
	}
	return refuse(500112)
}

// checkVerifier is PKCE, RFC 7636 section 4.6. A public client has to use it here, which at Microsoft only its
// single-page apps have to: a client that forgets it shall not go unnoticed.
func (c *code) checkVerifier(verifier string, client *Client) *refusal {
	challenge := c.signIn.challenge
	if challenge == "" {
		if client.public() {
			return refuse(501481, "A public client has to send a code_challenge.")
		}
		return nil
	}
	if verifier != "" && (len(verifier) < 43 || len(verifier) > 128) {
		return refuse(501491)
	}
	if c.signIn.challengeMethod == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if subtle.ConstantTimeCompare([]byte(verifier), []byte(challenge)) != 1 {
		return refuse(501481)
	}
	return nil
}

// appGrant is client credentials, RFC 6749 section 4.4: an app without a person.
func appGrant(form url.Values, tenant string, client *Client) (issue, *refusal) {
	if client.public() {
		return issue{}, refuse(7000218)
	}
	if isConsumers(tenant) || strings.EqualFold(tenant, "common") || strings.EqualFold(tenant, "organizations") {
		return issue{}, refuse(9001023)
	}
	asked, refused := parseScopes(form.Get("scope"))
	if refused != nil {
		return issue{}, refused
	}
	if len(asked) != 1 || !asked[0].isDefault() {
		return issue{}, refuse(70011, "The provided value for the scope is not valid: client credential flows "+
			"must have a scope value with /.default suffixed to the resource identifier.")
	}
	return issue{client: client, granted: asked, asked: asked}, nil
}

// askedScopes is the scope parameter of a token request, or all that was granted when there is none.
func askedScopes(form url.Values, granted scopes, user *User) (scopes, *refusal) {
	if form.Get("scope") == "" {
		return granted, nil
	}
	asked, refused := parseScopes(form.Get("scope"))
	switch {
	case refused != nil:
		return nil, refused
	case !user.Work && len(asked.audiences()) > 1:
		return nil, refuse(70011)
	case asked.within(granted):
		return asked, nil
	case !user.Work:
		// Personal accounts answer a scope that was never granted so (seen 2026).
		return nil, refuse(70000, "The request was denied because one or more scopes requested are unauthorized or expired.")
	}
	r := refuse(65001)
	r.suberror = "consent_required"
	return nil, r
}
