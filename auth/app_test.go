package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func appAccount(t *testing.T) Account {
	a := annAccount()
	a.Flow, a.Tenant, a.ClientSecretFile = FlowClientCredentials, "contoso.onmicrosoft.com", writeFile(t, "secret", "app~secret.value\r\n")
	return a
}

func TestAppSignIn(t *testing.T) {
	account := appAccount(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{account: &account})
		if err := f.SignInApp(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
		form := f.id.last()
		want := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {"app~secret.value"},
			"scope": {"https://outlook.office365.com/.default"},
		}
		if form.Encode() != want.Encode() {
			t.Errorf("request %v; want %v", form, want)
		}
		f.get("access-001-secret")
		time.Sleep(time.Hour)
		f.get("access-002-secret")
		if r := f.record(); !r.Token.Refresh.IsZero() || r.Token.SignedInAs != "app "+clientID {
			t.Errorf("record %+v", r.Token)
		}
		time.Sleep(time.Hour)
		f.id.then(oauthFailure("invalid_client", 7000222))
		f.fails(Configuration, "AADSTS7000222")
		if f.record().Token == nil {
			t.Error("the sign-in was forgotten")
		}
		if err := f.Logout(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
		f.fails(SignIn, "not-connected") // logged out means logged out, although nobody is needed to sign in
	})
}

// An app's first token needs nobody; it comes when it is wanted, or when the daemon begins.
func TestAppBeginsByItself(t *testing.T) {
	for name, begin := range map[string]func(*fixture){
		"a mail client": func(f *fixture) { f.get("access-001-secret") },
		"the daemon": func(f *fixture) {
			ctx, cancel := context.WithCancel(f.t.Context())
			go f.Keep(ctx, func() []string { return nil })
			synctest.Wait()
			cancel()
			synctest.Wait()
		},
	} {
		account := appAccount(t)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fixtureOptions{account: &account})
				f.state(StateNeverSignedIn, "")
				begin(f)
				f.state(StateReady, "")
				f.get("access-001-secret")
				if r := f.record(); r.Token.SignedInAs != "app "+clientID || r.Token.SignedInAt.IsZero() || f.id.count("") != 1 {
					t.Errorf("record %+v after %d requests", r.Token, f.id.count(""))
				}
			})
		})
	}
}

// Until it can have one, the account says why, and the provider is asked no more than by anybody else.
func TestAppThatCanNotBegin(t *testing.T) {
	account := appAccount(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{account: &account})
		f.id.then(fakeAnswer{status: 503})
		ctx, cancel := context.WithCancel(t.Context())
		go f.Keep(ctx, func() []string { return nil })
		synctest.Wait()
		f.state(StateTrouble, "http-503")
		f.fails(Retry, "http-503")
		if n := f.id.count(""); n != 1 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(2 * keepEvery)
		f.state(StateReady, "")
		f.get("access-001-secret")
		cancel()
		synctest.Wait()
	})
}

// An incident's sign-out holds for an app that has no token yet, whether anything is kept of it or not.
func TestAppThatWasSignedOutDoesNotBegin(t *testing.T) {
	account := appAccount(t)
	for name, before := range map[string]func(*fixture){
		"without a record": func(*fixture) {},
		"with a password": func(f *fixture) {
			if _, _, err := f.AddPassword(f.t.Context(), ann, NewPassword{Label: "scanner"}); err != nil {
				f.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fixtureOptions{account: &account})
				before(f)
				if err := f.Logout(t.Context(), ann); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				go f.Keep(ctx, func() []string { return nil })
				synctest.Wait()
				cancel()
				synctest.Wait()
				f.state(StateSignedOut, "")
				f.fails(SignIn, "not-connected")
				if n := f.id.count(""); n != 0 {
					t.Errorf("%d requests", n)
				}
				if err := f.SignInApp(t.Context(), ann); err != nil {
					t.Fatal(err)
				}
				f.state(StateReady, "")
			})
		})
	}
}

// An account that was an app's has nothing to refresh, whether the app got a token or not.
func TestAppThatBecomesAPerson(t *testing.T) {
	account := appAccount(t)
	for name, first := range map[string]fakeAnswer{"had a token": {}, "had none": {status: 503}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fixtureOptions{account: &account})
				if first.status != 0 {
					f.id.then(first)
				}
				f.Token(t.Context(), ann)
				person := annAccount()
				person.ClientID = account.ClientID
				if err := f.Reconfigure(map[string]Provider{"fake": fakeProvider()}, []Account{person}, nil); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Hour)
				f.fails(SignIn, "not-connected")
				f.state(StateSignInNeeded, "not-connected")
				if n := f.id.count("refresh_token"); n != 0 {
					t.Errorf("%d requests without a refresh token", n)
				}
			})
		})
	}
}

func TestAppMistakes(t *testing.T) {
	good := appAccount(t)
	for code, change := range map[string]func(*Account){
		"app-tenant": func(a *Account) { a.Tenant = "common" },
		"app-proof":  func(a *Account) { a.ClientSecretFile = "" },
	} {
		a := good
		change(&a)
		_, err := New(Options{Store: newFixture(t, fixtureOptions{}).store, Providers: map[string]Provider{"fake": fakeProvider()}, Declared: []Account{a}})
		wantProblem(t, err, Configuration, code)
	}
	for code, change := range map[string]func(*Account){
		"app-secret": func(a *Account) { a.ClientSecretFile = filepath.Join(t.TempDir(), "none") },
		"app-certificate": func(a *Account) {
			a.ClientSecretFile, a.ClientCertificate, a.ClientKey = "", writeFile(t, "c", "x"), writeFile(t, "k", "x")
		},
	} {
		a := good
		change(&a)
		f := newFixture(t, fixtureOptions{account: &a})
		wantProblem(t, f.SignInApp(t.Context(), ann), Configuration, code)
		if n := f.id.count(""); n != 0 {
			t.Errorf("%s: %d requests", code, n)
		}
	}
	for name, content := range map[string]string{"empty": "", "blank": " \n", "two lines": "a\nb"} {
		if _, err := readSecret(writeFile(t, "s", content)); err == nil {
			t.Errorf("%s secret file accepted", name)
		}
	}
	if _, err := readSecret(writeFile(t, "s", strings.Repeat("a", mostSecret+1))); err == nil {
		t.Error("huge secret file accepted")
	}
	f := newFixture(t, fixtureOptions{})
	wantProblem(t, f.SignInApp(t.Context(), ann), Configuration, "person-flow")
}

// certificate makes a self-signed one for key and writes both as PEM.
func certificateFiles(t *testing.T, key crypto.Signer, until time.Time) (certFile, keyFile string, cert *x509.Certificate) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	certFile = writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	keyFile = writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	return certFile, keyFile, cert
}

func TestAssertion(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	account := appAccount(t)
	account.ClientSecretFile = ""
	var cert *x509.Certificate
	account.ClientCertificate, account.ClientKey, cert = certificateFiles(t, key, time.Now().Add(24*time.Hour))
	f := newFixture(t, fixtureOptions{account: &account})
	if err := f.SignInApp(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	form := f.id.last()
	if form.Get("client_secret") != "" || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		t.Errorf("request %v", form)
	}
	parts := strings.Split(form.Get("client_assertion"), ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	var header, claims map[string]any
	decodePart(t, parts[0], &header)
	decodePart(t, parts[1], &claims)
	thumbprint := sha256.Sum256(cert.Raw)
	if header["alg"] != "PS256" || header["typ"] != "JWT" || header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(thumbprint[:]) || len(header) != 3 {
		t.Errorf("header %v", header)
	}
	now := float64(time.Now().Unix())
	if claims["aud"] != "https://login.test/contoso.onmicrosoft.com/oauth2/v2.0/token" || claims["iss"] != clientID || claims["sub"] != clientID ||
		claims["exp"].(float64)-claims["iat"].(float64) != 600 || claims["nbf"].(float64) > now || claims["jti"] == "" {
		t.Errorf("claims %v", claims)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}); err != nil {
		t.Error(err)
	}
	f.expireNow()
	f.get("access-002-secret")
	if f.id.last().Get("client_assertion") == form.Get("client_assertion") {
		t.Error("the same assertion twice")
	}
}

func decodePart(t *testing.T, part string, to any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) expireNow() {
	f.t.Helper()
	token := *f.record().Token
	token.Expiry, token.RefreshedAt = time.Now(), time.Time{}
	f.put(token)
}

func TestCertificateMistakes(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, goodKey, _ := certificateFiles(t, key, time.Now().Add(time.Hour))
	old, oldKey, _ := certificateFiles(t, key, time.Now().Add(-time.Minute))
	curve, curveKey, _ := certificateFiles(t, other, time.Now().Add(time.Hour))
	for want, files := range map[string][2]string{
		"expired": {old, oldKey}, "no RSA key": {curve, curveKey}, "does not match": {good, curveKey}, "no such file": {"/nowhere/cert.pem", goodKey},
	} {
		a := annAccount()
		a.ClientCertificate, a.ClientKey = files[0], files[1]
		if _, err := a.assertion(time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// A person's sign-in through a confidential app, such as Google's desktop clients.
func TestSecretOfADelegatedFlow(t *testing.T) {
	account := annAccount()
	account.ClientSecretFile = writeFile(t, "secret", "not-so-secret")
	f := newFixture(t, fixtureOptions{account: &account})
	br := f.begin()
	br.open(br.answer(nil))
	if err := br.b.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.id.last().Get("client_secret"); got != "not-so-secret" {
		t.Errorf("secret %q", got)
	}
	f.expireNow()
	f.get("access-002-secret")
	if got := f.id.last().Get("client_secret"); got != "not-so-secret" {
		t.Errorf("secret %q at the refresh", got)
	}
}
