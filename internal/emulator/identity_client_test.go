package emulator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const defaultScope = "https://outlook.office365.com/.default"

func appForm(change func(url.Values)) url.Values {
	v := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"right+secret"}, "scope": {defaultScope}}
	if change != nil {
		change(v)
	}
	return v
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Clients: []Client{
		{ID: "app", Secrets: []string{"right+secret"}, OldSecrets: []string{"old secret"}},
		{ID: SampleClientID},
	}})
	e.IMAP.Grant("app", "office@work.example")
	r := post(t, e, e.Identity.TokenURL("example.org"), appForm(nil))
	if r.status != 200 || r.Refresh != "" || r.IDToken != "" {
		t.Fatal(r.raw)
	}
	if roles, _ := claimsOf(t, r.Access)["roles"].([]any); len(roles) == 0 || roles[0] != "IMAP.AccessAsApp" {
		t.Errorf("claims %v", claimsOf(t, r.Access))
	}
	w := dial(t, e)
	w.login("office@work.example", r.Access)
	for name, c := range map[string]struct {
		tenant string
		change func(url.Values)
		code   int
	}{
		"wrong secret":     {"example.org", func(v url.Values) { v.Set("client_secret", "x") }, 7000215},
		"expired secret":   {"example.org", func(v url.Values) { v.Set("client_secret", "old secret") }, 7000222},
		"no secret":        {"example.org", func(v url.Values) { v.Del("client_secret") }, 7000218},
		"common":           {"common", nil, 9001023},
		"consumers":        {"consumers", nil, 9001023},
		"named scope":      {"example.org", func(v url.Values) { v.Set("scope", ScopeIMAP) }, 70011},
		"no scope":         {"example.org", func(v url.Values) { v.Del("scope") }, 900144},
		"public client":    {"example.org", func(v url.Values) { v.Set("client_id", SampleClientID); v.Del("client_secret") }, 7000218},
		"public, a secret": {"example.org", func(v url.Values) { v.Set("client_id", SampleClientID) }, 700025},
	} {
		if r := post(t, e, e.Identity.TokenURL(c.tenant), appForm(c.change)); r.code() != c.code {
			t.Errorf("%s: %s", name, r.raw)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.Identity.TokenURL("example.org"),
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {defaultScope}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("app", url.QueryEscape("right+secret"))
	resp, err := httpClient(t, e).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if r := decode(t, resp); r.status != 200 {
		t.Error("basic header:", r.raw)
	}
}

// assertion makes a client assertion. The thumbprint member and the alphabet are the caller's choice.
type assertion struct {
	key    *rsa.PrivateKey
	cert   *x509.Certificate
	alg    string
	sha1   bool
	std    bool
	claims map[string]any
}

func (a assertion) encode(t testing.TB) string {
	t.Helper()
	member, sum := "x5t#S256", sha256.Sum256(a.cert.Raw)
	thumb := sum[:]
	if a.sha1 {
		s := sha1.Sum(a.cert.Raw)
		member, thumb = "x5t", s[:]
	}
	encoding := base64.RawURLEncoding
	if a.std {
		encoding = base64.StdEncoding
	}
	head, err := json.Marshal(map[string]string{"alg": a.alg, "typ": "JWT", member: encoding.EncodeToString(thumb)})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(a.claims)
	if err != nil {
		t.Fatal(err)
	}
	signed := base64url(head) + "." + base64url(body)
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	switch a.alg {
	case "PS256":
		signature, err = rsa.SignPSS(rand.Reader, a.key, crypto.SHA256, digest[:], nil)
	default:
		signature, err = rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, digest[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64url(signature)
}

func newRSA(t testing.TB) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotAfter: time.Now().Add(time.Hour),
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "app"}}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func TestClientAssertion(t *testing.T) {
	t.Parallel()
	key, cert := newRSA(t)
	foreign, foreignCert := newRSA(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecCert, err := sign(&x509.Certificate{NotAfter: time.Now().Add(time.Hour)}, nil, &ec.PublicKey, ec)
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, Options{Clients: []Client{{ID: "app", Certificates: []*x509.Certificate{ecCert, cert}}}})
	to := e.Identity.TokenURL("example.org")
	for name, c := range map[string]struct {
		change func(*assertion)
		code   int
	}{
		"PS256, x5t#S256":        {nil, 0},
		"RS256, x5t":             {func(a *assertion) { a.alg, a.sha1 = "RS256", true }, 0},
		"standard alphabet":      {func(a *assertion) { a.std = true }, 0},
		"localhost":              {func(a *assertion) { a.claims["aud"] = strings.Replace(to, "127.0.0.1", "localhost", 1) }, 50012},
		"other endpoint":         {func(a *assertion) { a.claims["aud"] = e.Identity.TokenURL("common") }, 50012},
		"no audience":            {func(a *assertion) { delete(a.claims, "aud") }, 50012},
		"other issuer":           {func(a *assertion) { a.claims["iss"] = "x" }, 50012},
		"other subject":          {func(a *assertion) { a.claims["sub"] = "x" }, 50012},
		"expired":                {func(a *assertion) { a.claims["exp"] = time.Now().Add(-time.Minute).Unix() }, 700024},
		"no end":                 {func(a *assertion) { delete(a.claims, "exp") }, 700024},
		"too long":               {func(a *assertion) { a.claims["exp"] = time.Now().Add(48 * time.Hour).Unix() }, 700024},
		"not yet":                {func(a *assertion) { a.claims["nbf"] = time.Now().Add(time.Hour).Unix() }, 700024},
		"no id":                  {func(a *assertion) { delete(a.claims, "jti") }, 50012},
		"unregistered":           {func(a *assertion) { a.key, a.cert = foreign, foreignCert }, 700027},
		"signed by another":      {func(a *assertion) { a.key = foreign }, 700027},
		"algorithm says another": {func(a *assertion) { a.alg = "none" }, 700027},
		"not an RSA certificate": {func(a *assertion) { a.cert = ecCert }, 700027},
	} {
		a := assertion{key: key, cert: cert, alg: "PS256", claims: map[string]any{
			"aud": to, "iss": "app", "sub": "app", "jti": rand.Text(),
			"nbf": time.Now().Unix(), "exp": time.Now().Add(10 * time.Minute).Unix(),
		}}
		if c.change != nil {
			c.change(&a)
		}
		jwt := a.encode(t)
		form := appForm(func(v url.Values) {
			v.Del("client_secret")
			v.Set("client_assertion_type", assertionType)
			v.Set("client_assertion", jwt)
		})
		r := post(t, e, to, form)
		if r.code() != c.code || c.code == 0 && r.Access == "" || c.code != 0 && r.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
		if c.code == 0 {
			if r := post(t, e, to, form); r.code() != 50012 {
				t.Errorf("%s, used twice: %s", name, r.raw)
			}
		}
	}
	for name, jwt := range map[string]string{"not a JWT": "x", "not base64": "!.!.!", "not JSON": "eA.eA.eA"} {
		r := post(t, e, to, appForm(func(v url.Values) {
			v.Del("client_secret")
			v.Set("client_assertion_type", assertionType)
			v.Set("client_assertion", jwt)
		}))
		if r.code() != 50012 {
			t.Errorf("%s: %s", name, r.raw)
		}
	}
}
