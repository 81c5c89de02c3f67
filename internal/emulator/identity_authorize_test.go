package emulator

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestRedirectAllowed(t *testing.T) {
	t.Parallel()
	registered := []string{"http://localhost", "http://localhost/cb", "http://127.0.0.1/x", "https://localhost",
		"https://login.example/common/oauth2/nativeclient"}
	for asked, want := range map[string]bool{
		"http://localhost":                                 true,
		"http://localhost/":                                true,
		"http://localhost:1":                               true,
		"http://localhost:65535/":                          true,
		"http://localhost:5/cb":                            true,
		"http://localhost:5/cb/":                           false,
		"http://localhost:5/CB":                            false,
		"http://localhost:5/other":                         false,
		"http://localhost:5/?a=b":                          false,
		"http://localhost:5/#x":                            false,
		"http://user@localhost:5/":                         false,
		"http://LOCALHOST:5/":                              false,
		"http://127.0.0.1:7/x":                             true,
		"http://127.0.0.1:7/":                              false,
		"http://[::1]:7/":                                  false,
		"http://example.com/":                              false,
		"http://localhost.example/":                        false,
		"https://localhost":                                true,
		"https://localhost:8443":                           false,
		"https://login.example/common/oauth2/nativeclient": true,
		"":                   false,
		"http://local host/": false,
	} {
		if got := redirectAllowed(registered, asked); got != want {
			t.Errorf("%q: %v", asked, got)
		}
	}
}

// TestAuthorizeRefusals: what goes back to the client, and what only the person gets to see.
func TestAuthorizeRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tenant string
		change func(url.Values)
		fault  Fault
		page   string // "AADSTSn" on a page
		error  string // in a redirect
		code   string
	}{
		"unknown client":    {change: func(v url.Values) { v.Set("client_id", "x") }, page: "AADSTS700016"},
		"redirect":          {change: func(v url.Values) { v.Set("redirect_uri", "http://localhost:1/other") }, page: "AADSTS50011"},
		"foreign redirect":  {change: func(v url.Values) { v.Set("redirect_uri", "https://evil.example") }, page: "AADSTS50011"},
		"response type":     {change: func(v url.Values) { v.Set("response_type", "token") }, error: "unsupported_response_type", code: "AADSTS700051"},
		"no response type":  {change: func(v url.Values) { v.Del("response_type") }, error: "invalid_request", code: "AADSTS900144"},
		"no scope":          {change: func(v url.Values) { v.Del("scope") }, error: "invalid_request", code: "AADSTS900144"},
		"unknown resource":  {change: func(v url.Values) { v.Set("scope", "https://nowhere.example/x") }, error: "invalid_resource", code: "AADSTS500011"},
		"default and named": {change: func(v url.Values) { v.Set("scope", "https://outlook.office.com/.default "+ScopeIMAP) }, error: "invalid_scope", code: "AADSTS70011"},
		"method":            {change: func(v url.Values) { v.Set("code_challenge_method", "S512") }, error: "invalid_request", code: "AADSTS50147"},
		"short challenge":   {change: func(v url.Values) { v.Set("code_challenge", "x") }, error: "invalid_request", code: "AADSTS50147"},
		"mixed, consumers":  {tenant: "consumers", change: func(v url.Values) { v.Set("scope", wanted+" User.Read") }, error: "invalid_scope", code: "AADSTS70011"},
		"silent":            {change: func(v url.Values) { v.Set("prompt", "none") }, error: "login_required", code: "AADSTS50058"},
		"fault, redirected": {fault: AADSTS(65004), error: "access_denied", code: "AADSTS65004"},
		"fault, as a page":  {fault: AADSTS(90094), page: "AADSTS90094"},
		"fault by name":     {fault: Fault{Error: "temporarily_unavailable"}, error: "temporarily_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, Options{})
			e.Identity.Fail(Authorize, 1, c.fault)
			if c.tenant == "" {
				c.tenant = "common"
			}
			resp, err := httpClient(t, e).Get(authorizeURL(e, c.tenant, c.change))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			to, err := resp.Location()
			if c.page != "" {
				if err == nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), c.page+":") {
					t.Errorf("%s %v: %s", resp.Status, to, body)
				}
				return
			}
			if err != nil {
				t.Fatalf("no redirect: %s", body)
			}
			q := to.Query()
			if q.Get("error") != c.error || !strings.HasPrefix(q.Get("error_description"), c.code) || q.Get("state") != "st/a+te=" || q.Has("code") {
				t.Errorf("%v", to)
			}
		})
	}
}

func TestPersonRefusals(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	visit := func(tenant string, change func(url.Values), p Person) (*url.URL, error) {
		return e.Identity.Visit(t.Context(), authorizeURL(e, tenant, change), p)
	}
	to, err := visit("common", nil, Person{Address: "ann@example.com", Cancel: true})
	if err != nil || to.Query().Get("error") != "access_denied" || to.Query().Get("state") == "" {
		t.Error("cancel:", to, err)
	}
	mixed := func(v url.Values) { v.Set("scope", wanted+" User.Read") }
	to, err = visit("common", mixed, Person{Address: "ann@example.com"})
	if err != nil || !strings.Contains(to.Query().Get("error_description"), "AADSTS70011") {
		t.Error("a personal account and two resources:", to, err)
	}
	if to, err = visit("common", mixed, Person{Address: "bob@work.example"}); err != nil || to.Query().Get("code") == "" {
		t.Error("a work account and two resources:", to, err)
	}
	for name, c := range map[string]struct {
		tenant string
		p      Person
		want   string
	}{
		"wrong password":            {"common", Person{Address: "ann@example.com", Password: "guess"}, "AADSTS50126"},
		"nobody":                    {"common", Person{Address: "x@example.com", Password: "guess"}, "AADSTS50126"},
		"shared mailbox":            {"common", Person{Address: "office@work.example", Password: "x"}, "AADSTS50126"},
		"work account at consumers": {"consumers", Person{Address: "bob@work.example"}, "AADSTS50020"},
		"personal at organizations": {"organizations", Person{Address: "ann@example.com"}, "AADSTS50020"},
	} {
		if to, err := visit(c.tenant, nil, c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, to, err)
		}
	}
}

func TestAutoApprove(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Policy: Policy{AutoApprove: true}})
	client := httpClient(t, e)
	for hint, want := range map[string]string{"": "ann@example.com", "bob@work.example": "bob@work.example", "nobody@x": "ann@example.com"} {
		resp, err := client.Get(authorizeURL(e, "common", func(v url.Values) { v.Set("login_hint", hint) }))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		to, err := resp.Location()
		if err != nil {
			t.Fatal(resp.Status, err)
		}
		r := post(t, e, e.Identity.TokenURL("common"), codeForm(to.Query().Get("code"), nil))
		if got := claimsOf(t, r.IDToken)["preferred_username"]; got != want {
			t.Errorf("hint %q signed in %v", hint, got)
		}
	}
	if got := e.Identity.Last(Authorize).Get("code_challenge"); got != challenge256 {
		t.Errorf("last authorize: %q", got)
	}
}

func TestResponseModes(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Policy: Policy{AutoApprove: true}, Clients: []Client{{ID: SampleClientID, Redirects: []string{"http://localhost/cb"}}}})
	get := func(mode string) *http.Response {
		resp, err := httpClient(t, e).Get(authorizeURL(e, "common", func(v url.Values) {
			v.Set("response_mode", mode)
			v.Set("redirect_uri", "http://localhost:9/cb")
		}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	if to := get("query").Header.Get("Location"); !strings.HasPrefix(to, "http://localhost:9/cb?code=") {
		t.Error("query:", to)
	}
	if to := get("fragment").Header.Get("Location"); !strings.HasPrefix(to, "http://localhost:9/cb#code=") {
		t.Error("fragment:", to)
	}
	body, _ := io.ReadAll(get("form_post").Body)
	if !strings.Contains(string(body), `action="http://localhost:9/cb"`) || !strings.Contains(string(body), `name="code"`) {
		t.Errorf("form_post: %s", body)
	}
}

func TestWorkTokens(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	code := signInAs(t, e, "organizations", "bob@work.example", nil)
	if len(code) < 700 {
		t.Errorf("a work account's code has %d characters", len(code))
	}
	r := post(t, e, e.Identity.TokenURL("organizations"), codeForm(code, nil))
	if len(r.Access) < 1500 || len(r.Access) > 2048 {
		t.Errorf("access token of %d characters", len(r.Access))
	}
	if claims := claimsOf(t, r.Access); claims["upn"] != "bob@work.example" || claims["aud"] != audienceMail {
		t.Errorf("claims: %v", claims)
	}
}
