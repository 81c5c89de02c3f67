package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const appSecret = "the-secret-of-the-app" // as in oidc/server.mjs

// configureApp is configure for an account that signs in without a person; settings are its proof.
func configureApp(t *testing.T, email, clientID, settings string) *program {
	t.Helper()
	p := configure(t, lab.oauth)
	p.accounts = []string{email}
	p.append("config.toml", fmt.Sprintf("\n[account.%q]\nprovider = \"lab\"\nflow = \"client-credentials\"\ntenant = \"contoso.example\"\nclient_id = %q\n%s\n",
		email, clientID, settings))
	return p
}

func (p *program) append(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	old, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(old, text...), 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// An app signs in with its secret, and again with it when the token has expired.
func TestAppWithSecret(t *testing.T) {
	t.Parallel()
	p := configureApp(t, judy, "secret-app", `client_secret_file = "secret"`)
	p.write("secret", "not-the-secret\n")
	if _, stderr, code := p.run("login", judy); code != 3 || !strings.Contains(stderr, "does not accept the app") {
		t.Errorf("with a wrong secret: exit code %d\n%s", code, stderr)
	}
	p.write("secret", appSecret+"\n")
	p.passwords = append(p.passwords, appSecret)
	worksAsApp(t, p, judy)
}

// The same with a certificate: PS256, and the certificate named by its thumbprint.
func TestAppWithCertificate(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(lab.ca)
	p := configureApp(t, karl, "certificate-app", fmt.Sprintf("client_certificate = %q\nclient_key = %q", filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")))
	if _, stderr, code := p.run("login", karl); code != 3 || !strings.Contains(stderr, "RSA") {
		t.Errorf("with a key that is not RSA: exit code %d\n%s", code, stderr)
	}
	p = configureApp(t, karl, "certificate-app", fmt.Sprintf("client_certificate = %q\nclient_key = %q", filepath.Join(dir, "app.crt"), filepath.Join(dir, "app.key")))
	lifetime(t, karl, 2)
	p.ok("login", karl) // which the other does without
	worksAsApp(t, p, karl)
}

func worksAsApp(t *testing.T, p *program, email string) {
	t.Helper()
	const grant = "client_credentials"
	lifetime(t, email, 2)
	secret := p.addPassword(email)
	d := p.serve()
	readInbox(t, d, email, secret)
	first := latest(t, email)
	eventually(t, patience, "the token expires", func() bool { return !active(t, first) })
	lifetime(t, email, 3600)
	before := counts(t).Grants[email]
	atOnce(t, d, email, secret)
	readInbox(t, d, email, secret)
	after := counts(t).Grants[email]
	if after[grant]-before[grant] != 1 || after[grant+" failed"] != before[grant+" failed"] {
		t.Errorf("grants before and after the expiry: %v, %v; want one more", before, after)
	}
	if after["refresh_token"] != 0 {
		t.Error("an app has no refresh token")
	}
}

// Where the provider has an address for it (RFC 7009), logging out ends the sign-in there too.
func TestLogoutRevokes(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"one": {"logout", lena}, "all": {"logout", "--all"}} {
		t.Run(name, func(t *testing.T) {
			p := configure(t, lab.oauth, lena)
			config, err := os.ReadFile(filepath.Join(p.dir, "config.toml"))
			if err != nil {
				t.Fatal(err)
			}
			p.write("config.toml", strings.Replace(string(config), "[provider.lab]\n", fmt.Sprintf("[provider.lab]\nrevoke_url = %q\n", endpoint("revoke")), 1))
			p.signIn(lena)
			secret := p.addPassword(lena)
			d := p.serve()
			open := d.connect(t, lena, secret)
			access := latest(t, lena)
			if !active(t, access) {
				t.Fatal("not signed in")
			}
			p.ok(args...)
			if active(t, access) {
				t.Error("the access token is still good")
			}
			issued := counts(t).Issued[lena]
			if active(t, issued.Refresh[len(issued.Refresh)-1]) {
				t.Error("the refresh token is still good")
			}
			if r := open.response(); !strings.HasPrefix(r, "* BYE") {
				t.Errorf("the open session hears %q", r)
			}
			if status := dial(t, d.addr).login(lena, secret); !strings.HasPrefix(status, "NO [ALERT]") {
				t.Errorf("after the logout: %s", status)
			}
		})
	}
}
