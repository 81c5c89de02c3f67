package lab

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The lab's people. Each test that counts tokens has one for itself.
const (
	alice = "alice@example.test" // the clients' work
	bob   = "bob@example.test"   // 2,000 messages
	carol = "carol@example.test"
	dave  = "dave@example.test"
	erin  = "erin@example.test"
	frank = "frank@example.test"
	grace = "grace@example.test"
	heidi = "heidi@example.test"
	ivan  = "ivan@example.test"
	judy  = "judy@example.test" // the secret-app's mailbox
	karl  = "karl@example.test" // the certificate-app's
	lena  = "lena@example.test"
	otto  = "otto@example.test"
	mike  = "mike@example.test"
	nina  = "nina@example.test" // POP3: a large message besides
	olga  = "olga@example.test"
	paul  = "paul@example.test"
	rosa  = "rosa@example.test" // Thunderbird's
	load1 = "load1@example.test"
)

const (
	clientID  = "public-app"
	imapScope = "https://outlook.office.com/IMAP.AccessAsUser.All"
	popScope  = "https://outlook.office.com/POP.AccessAsUser.All"
	smtpScope = "https://outlook.office.com/SMTP.Send"
)

func endpoint(name string) string { return lab.oidc + "/common/oauth2/v2.0/" + name }

func trusting() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: lab.roots}, DisableKeepAlives: true}}
}

// tokens is an answer of the token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

func post(t *testing.T, url string, fields url.Values, basic ...string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(basic) == 2 {
		req.SetBasicAuth(basic[0], basic[1])
	}
	res, err := trusting().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func requestTokens(t *testing.T, fields url.Values) tokens {
	t.Helper()
	fields.Set("client_id", clientID)
	var got tokens
	body := post(t, endpoint("token"), fields)
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("token endpoint: %v in %q", err, body)
	}
	return got
}

// signIn gets tokens by authorization code and PKCE, without Postern.
func signIn(t *testing.T, email string) tokens {
	t.Helper()
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	var code string
	p := newPerson(email)
	p.http.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Host == "localhost:1" { // where nobody listens; the code is in the link
			code = req.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}
	const redirect = "http://localhost:1/"
	if _, _, _, err := p.visit(endpoint("authorize")+"?"+url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {redirect}, "state": {"s"},
		"scope":          {imapScope + " offline_access"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode(), ""); err != nil {
		t.Fatal(err)
	}
	got := requestTokens(t, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}})
	if got.Access == "" || got.Refresh == "" {
		t.Fatalf("signing in as %s: %+v", email, got.Error)
	}
	return got
}

// revoke ends one access token.
func revoke(t *testing.T, token string) {
	t.Helper()
	control(t, map[string]any{"revoke": token})
	if active(t, token) {
		t.Fatal("revoked, yet active")
	}
}

// revokeAll ends all that the sign-in gave which this token comes from, refresh token included.
func revokeAll(t *testing.T, token string) {
	t.Helper()
	post(t, endpoint("revoke"), url.Values{"client_id": {clientID}, "token": {token}})
	if active(t, token) {
		t.Fatal("revoked, yet active")
	}
}

// active asks as Dovecot does (RFC 7662).
func active(t *testing.T, token string) bool {
	t.Helper()
	var got struct{ Active *bool }
	body := post(t, endpoint("introspect"), url.Values{"token": {token}}, "dovecot", lab.introspectSecret)
	if err := json.Unmarshal(body, &got); err != nil || got.Active == nil {
		t.Fatalf("introspection: %v in %q", err, body)
	}
	return *got.Active
}

// serverState is what oidc/server.mjs counts.
type serverState struct {
	Requests map[string]int                                `json:"requests"` // by endpoint
	Grants   map[string]map[string]int                     `json:"grants"`   // by account
	Issued   map[string]struct{ Access, Refresh []string } // by account, oldest first
}

const tokenEndpoint = "/oauth2/v2.0/token"

func counts(t *testing.T) serverState {
	t.Helper()
	return control(t, nil)
}

// refreshes counts an account's refreshes: those granted and those refused.
func refreshes(t *testing.T, email string) (granted, refused int) {
	t.Helper()
	g := counts(t).Grants[email]
	return g["refresh_token"], g["refresh_token failed"]
}

// latest is the access token that an account got last.
func latest(t *testing.T, email string) string {
	t.Helper()
	all := counts(t).Issued[email].Access
	if len(all) == 0 {
		t.Fatalf("%s never got a token", email)
	}
	return all[len(all)-1]
}

// lifetime sets how many seconds an account's next access tokens live.
func lifetime(t *testing.T, email string, seconds int) {
	t.Helper()
	control(t, map[string]any{"lifetimes": map[string]int{email: seconds}})
}

// control sets members of the server's state: accessTokenTTL, lifetimes, rotate, faults.
func control(t *testing.T, set map[string]any) serverState {
	t.Helper()
	method, body := http.MethodGet, []byte(nil)
	if set != nil {
		method, body = http.MethodPost, must(json.Marshal(set))
	}
	req, err := http.NewRequest(method, lab.oidc+"/_control", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := trusting().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got serverState
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("lab: %v", err))
	}
	return v
}
