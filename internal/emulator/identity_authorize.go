package emulator

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const consumerTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// signIn is one person's way through the pages, towards a redirect or a device code.
type signIn struct {
	id      string
	tenant  string
	client  *Client
	scopes  scopes
	hint    string
	user    *User // after the password
	expires time.Time

	device *device // nil = the browser flow, with what follows

	redirectURI, responseMode, state string
	challenge, challengeMethod       string
	nonce                            string
	clientInfo                       bool
}

// code is an authorization code, single use.
type code struct {
	signIn  *signIn
	user    *User
	expires time.Time
	used    bool
}

// authorize is the authorization endpoint, RFC 6749 section 4.1.1.
func (id *Identity) authorize(r *http.Request, f Fault) answer {
	id.mu.Lock()
	defer id.mu.Unlock()
	s, refused := id.readAuthorizeLocked(r)
	if refused != nil {
		return errorPage(refused)
	}
	if refused = f.refusal(); refused == nil {
		refused = id.checkAuthorizeLocked(s, r.Form)
	}
	if refused != nil && refused.page {
		return errorPage(refused)
	}
	if refused != nil {
		return id.redirectError(s, refused)
	}
	if id.policy.AutoApprove {
		return id.finishLocked(s, id.approverLocked(s.hint, s.tenant))
	}
	if r.Form.Get("prompt") == "none" {
		return id.redirectError(s, refuse(50058))
	}
	id.signIns[s.id] = s
	return s.askSignIn("")
}

// readAuthorizeLocked does what has to hold before anything may be sent to the redirect URI.
func (id *Identity) readAuthorizeLocked(r *http.Request) (*signIn, *refusal) {
	client := id.clients[r.Form.Get("client_id")]
	if client == nil {
		return nil, refuse(700016, "Application with identifier '"+r.Form.Get("client_id")+"' was not found in the directory.")
	}
	redirectURI := r.Form.Get("redirect_uri")
	if redirectURI == "" {
		redirectURI = client.Redirects[0]
	}
	if !redirectAllowed(client.Redirects, redirectURI) {
		return nil, refuse(50011, "The redirect URI '"+redirectURI+"' specified in the request does not match "+
			"the redirect URIs configured for the application '"+client.ID+"'.")
	}
	return &signIn{
		id:              newSecret(""),
		tenant:          r.PathValue("tenant"),
		client:          client,
		hint:            r.Form.Get("login_hint"),
		expires:         time.Now().Add(15 * time.Minute),
		redirectURI:     redirectURI,
		responseMode:    r.Form.Get("response_mode"),
		state:           r.Form.Get("state"),
		challenge:       r.Form.Get("code_challenge"),
		challengeMethod: r.Form.Get("code_challenge_method"),
		nonce:           r.Form.Get("nonce"),
		clientInfo:      r.Form.Get("client_info") == "1",
	}, nil
}

func (id *Identity) checkAuthorizeLocked(s *signIn, form url.Values) (refused *refusal) {
	switch form.Get("response_type") {
	case "code":
	case "":
		return refuse(900144, "The request must contain the following parameter: 'response_type'.")
	default:
		return refuse(700051)
	}
	switch s.challengeMethod {
	case "", "plain", "S256":
	default:
		return refuse(50147)
	}
	if s.challenge != "" && (len(s.challenge) < 43 || len(s.challenge) > 128) {
		return refuse(50147)
	}
	if s.scopes, refused = parseScopes(form.Get("scope")); refused != nil {
		return refused
	}
	if isConsumers(s.tenant) && len(s.scopes.audiences()) > 1 {
		return refuse(70011)
	}
	return nil
}

// finishLocked ends a browser sign-in with a code for the client.
func (id *Identity) finishLocked(s *signIn, user *User) answer {
	delete(id.signIns, s.id)
	if !fitsTenant(user, s.tenant) {
		return errorPage(refuse(50020))
	}
	if !user.Work && len(s.scopes.audiences()) > 1 {
		return id.redirectError(s, refuse(70011))
	}
	value := newCode(user)
	id.codes[value] = &code{signIn: s, user: user, expires: time.Now().Add(id.policy.codeLife())}
	v := url.Values{"code": {value}, "session_state": {newGUID()}}
	if s.clientInfo {
		v.Set("client_info", clientInfo(user))
	}
	id.log.Info("identity signed in", "account", user.Address, "client", s.client.ID)
	return s.redirect(v)
}

// clientInfo is the base64url JSON that MSAL clients ask for.
func clientInfo(user *User) string {
	b, _ := json.Marshal(map[string]string{"uid": user.objectID(), "utid": user.tenantID()})
	return base64.RawURLEncoding.EncodeToString(b)
}

func isConsumers(tenant string) bool {
	return strings.EqualFold(tenant, "consumers") || strings.EqualFold(tenant, consumerTenant)
}

// fitsTenant tells whether a person may sign in at a tenant alias. Any other name of a tenant takes everybody.
func fitsTenant(user *User, tenant string) bool {
	if isConsumers(tenant) {
		return !user.Work
	}
	return user.Work || !strings.EqualFold(tenant, "organizations")
}
