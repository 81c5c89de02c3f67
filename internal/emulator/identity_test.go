package emulator

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	// RFC 7636 appendix B.
	verifier     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge256 = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

	wanted = ScopeIMAP + " https://outlook.office.com/SMTP.Send offline_access openid profile email"
)

// reply is a token endpoint's answer, good or bad.
type reply struct {
	status int
	raw    string

	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	Type      string `json:"token_type"`
	Scope     string
	ExpiresIn any    `json:"expires_in"`
	ExtIn     any    `json:"ext_expires_in"`
	IDToken   string `json:"id_token"`
	Info      string `json:"client_info"`

	Error       string
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes"`
	Timestamp   string
	Trace       string `json:"trace_id"`
	Correlation string `json:"correlation_id"`
	Suberror    string
	Claims      string

	Device   string `json:"device_code"`
	User     string `json:"user_code"`
	Page     string `json:"verification_uri"`
	Interval int
	Message  string
	Complete string `json:"verification_uri_complete"`
}

// code is the AADSTS number of a refusal, 0 for a good answer.
func (r reply) code() int {
	if len(r.Codes) == 0 {
		return 0
	}
	return r.Codes[0]
}

func post(t testing.TB, e *Emulator, to string, v url.Values) reply {
	t.Helper()
	resp, err := httpClient(t, e).PostForm(to, v)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, resp)
}

func decode(t testing.TB, resp *http.Response) reply {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{status: resp.StatusCode, raw: string(body)}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	return r
}

// authorizeQuery is a good request of a public client; change alters it.
func authorizeQuery(change func(url.Values)) url.Values {
	v := url.Values{
		"client_id":             {SampleClientID},
		"response_type":         {"code"},
		"redirect_uri":          {"http://localhost:4567"},
		"scope":                 {wanted},
		"state":                 {"st/a+te="},
		"code_challenge":        {challenge256},
		"code_challenge_method": {"S256"},
		"login_hint":            {"ann@example.com"},
	}
	if change != nil {
		change(v)
	}
	return v
}

func authorizeURL(e *Emulator, tenant string, change func(url.Values)) string {
	return e.Identity.AuthorizeURL(tenant) + "?" + authorizeQuery(change).Encode()
}

func codeForm(code string, change func(url.Values)) url.Values {
	v := url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {SampleClientID},
		"code":          {code},
		"redirect_uri":  {"http://localhost:4567"},
		"code_verifier": {verifier},
	}
	if change != nil {
		change(v)
	}
	return v
}

// signInAs goes through the forms and returns the code.
func signInAs(t testing.TB, e *Emulator, tenant, address string, change func(url.Values)) string {
	t.Helper()
	to, err := e.Identity.Visit(t.Context(), authorizeURL(e, tenant, change), Person{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	if to.Query().Get("code") == "" {
		t.Fatalf("no code in %v", to)
	}
	return to.Query().Get("code")
}

func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %.20s…", token)
	}
	var claims map[string]any
	for i, into := range []any{new(map[string]any), &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(b, into) != nil {
			t.Fatalf("part %d of the JWT: %v", i, err)
		}
	}
	return claims
}

func TestCodeFlow(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	to, err := e.Identity.Visit(t.Context(), authorizeURL(e, "common", func(v url.Values) { v.Set("client_info", "1"); v.Set("nonce", "n-1") }), Person{Address: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	q := to.Query()
	if to.Host != "localhost:4567" || to.Path != "/" || q.Get("state") != "st/a+te=" || q.Get("session_state") == "" || q.Get("client_info") == "" {
		t.Errorf("redirect: %v", to)
	}
	r := post(t, e, e.Identity.TokenURL("common"), codeForm(q.Get("code"), nil))
	if r.status != 200 || r.Type != "Bearer" || r.Refresh == "" || !strings.HasPrefix(r.Access, "Ew") {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if want := ScopeIMAP + " https://outlook.office.com/SMTP.Send openid profile email"; r.Scope != want {
		t.Errorf("scope %q; want %q", r.Scope, want)
	}
	if in, ok := r.ExpiresIn.(float64); !ok || in < 3600 || in > 5400 || r.ExtIn != r.ExpiresIn {
		t.Errorf("expires_in %v, ext %v", r.ExpiresIn, r.ExtIn)
	}
	claims := claimsOf(t, r.IDToken)
	for name, want := range map[string]any{
		"preferred_username": "ann@example.com", "email": "ann@example.com", "name": "Ann", "tid": consumerTenant,
		"aud": SampleClientID, "nonce": "n-1", "iss": e.Identity.URL() + "/" + consumerTenant + "/v2.0",
	} {
		if claims[name] != want {
			t.Errorf("%s = %v; want %v", name, claims[name], want)
		}
	}
	w := dial(t, e)
	w.login("ann@example.com", r.Access)
}

func TestCodeRefusals(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	for name, c := range map[string]struct {
		tenant string
		who    string
		ask    func(url.Values)
		redeem func(url.Values)
		code   int
		error  string
	}{
		"wrong verifier":       {redeem: func(v url.Values) { v.Set("code_verifier", strings.Repeat("x", 43)) }, code: 501481, error: "invalid_grant"},
		"no verifier":          {redeem: func(v url.Values) { v.Del("code_verifier") }, code: 501481, error: "invalid_grant"},
		"short verifier":       {redeem: func(v url.Values) { v.Set("code_verifier", "short") }, code: 501491, error: "invalid_grant"},
		"no challenge":         {ask: func(v url.Values) { v.Del("code_challenge"); v.Del("code_challenge_method") }, code: 501481, error: "invalid_grant"},
		"plain, mismatched":    {ask: func(v url.Values) { v.Del("code_challenge_method") }, code: 501481, error: "invalid_grant"},
		"other tenant":         {tenant: "consumers", code: 700005, error: "invalid_grant"},
		"other redirect":       {redeem: func(v url.Values) { v.Set("redirect_uri", "http://localhost:1") }, code: 70000, error: "invalid_grant"},
		"work, other redirect": {who: "bob@work.example", redeem: func(v url.Values) { v.Set("redirect_uri", "http://localhost:1") }, code: 500112, error: "invalid_client"},
		"no code":              {redeem: func(v url.Values) { v.Del("code") }, code: 900144, error: "invalid_request"},
		"made-up code":         {redeem: func(v url.Values) { v.Set("code", "x") }, code: 70000, error: "invalid_grant"},
		"secret":               {redeem: func(v url.Values) { v.Set("client_secret", "x") }, code: 700025, error: "invalid_client"},
		"other client":         {redeem: func(v url.Values) { v.Set("client_id", "x") }, code: 700016, error: "unauthorized_client"},
		"no client":            {redeem: func(v url.Values) { v.Del("client_id") }, code: 900144, error: "invalid_request"},
		"scope never asked":    {redeem: func(v url.Values) { v.Set("scope", "https://outlook.office.com/POP.AccessAsUser.All") }, code: 70000, error: "invalid_grant"},
		"unknown resource":     {redeem: func(v url.Values) { v.Set("scope", "https://vault.azure.net/x") }, code: 500011, error: "invalid_resource"},
		"unknown grant":        {redeem: func(v url.Values) { v.Set("grant_type", "password") }, code: 70003, error: "unsupported_grant_type"},
		"no grant":             {redeem: func(v url.Values) { v.Del("grant_type") }, code: 900144, error: "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, tenant := c.who, c.tenant
			if who == "" {
				who = "ann@example.com"
			}
			if tenant == "" {
				tenant = "common"
			}
			code := signInAs(t, e, "common", who, c.ask)
			r := post(t, e, e.Identity.TokenURL(tenant), codeForm(code, c.redeem))
			if r.code() != c.code || r.Error != c.error {
				t.Errorf("got %d %q: %s; want %d %q", r.code(), r.Error, r.raw, c.code, c.error)
			}
			want := http.StatusBadRequest
			if c.error == "invalid_client" {
				want = http.StatusUnauthorized
			}
			if r.status != want {
				t.Errorf("status %d; want %d", r.status, want)
			}
		})
	}
}

func TestCodeIsSingleUseAndShortLived(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	code := signInAs(t, e, "common", "ann@example.com", nil)
	if r := post(t, e, e.Identity.TokenURL("common"), codeForm(code, nil)); r.status != 200 {
		t.Fatal(r.raw)
	}
	if r := post(t, e, e.Identity.TokenURL("common"), codeForm(code, nil)); r.code() != 54005 {
		t.Error(r.raw)
	}
	e.Identity.Configure(func(p *Policy) { p.CodeLife = 1 })
	code = signInAs(t, e, "common", "ann@example.com", nil)
	if r := post(t, e, e.Identity.TokenURL("common"), codeForm(code, nil)); r.code() != 70008 {
		t.Error(r.raw)
	}
}

func TestPlainChallenge(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	code := signInAs(t, e, "common", "ann@example.com", func(v url.Values) {
		v.Del("code_challenge_method")
		v.Set("code_challenge", verifier)
	})
	if r := post(t, e, e.Identity.TokenURL("common"), codeForm(code, nil)); r.status != 200 {
		t.Error(r.raw)
	}
}
