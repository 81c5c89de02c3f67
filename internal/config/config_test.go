package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var builtIn = []string{"gmail", "microsoft365", "microsoft365-gcc-high", "outlook"}

// write makes a configuration file in a new directory.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Load(write(t, text), builtIn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad(t *testing.T) {
	path := write(t, `
[listen]
imap = ""
imaps = "0.0.0.0:993"
smtp = "[::1]:0"
pop3 = "192.0.2.1:110"
web = "localhost:0"
tls_cert = "tls/cert.pem"
tls_key = "tls/key.pem"
allow_insecure = true
[store]
url = "postgres://postern:secret@db/postern"
[limits]
sessions = 7
login_timeout = "1m30s"
[log]
level = "debug"
format = "json"
[provider.lab]
authorize_url = "https://127.0.0.1:9443/{tenant}/authorize"
token_url = "http://localhost:9443/token"
scopes = ["a", "b"]
imap = "127.0.0.1:9993"
ca_file = "tls/cert.pem"
[account."Ann@Example.COM"]
provider = "lab"
client_id = "x"
mailbox = "shared"
[account."bob@example.com"]
client_id = "y"
flow = "client-credentials"
tenant = "contoso.onmicrosoft.com"
client_certificate = "tls/cert.pem"
client_key = "tls/key.pem"
password_hash = "sha256$x"
`)
	dir := filepath.Dir(path)
	cert, key := filepath.Join(dir, "tls", "cert.pem"), filepath.Join(dir, "tls", "key.pem")
	writePair(t, cert, key)
	got, err := Load(path, builtIn)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Listen: Listen{IMAPS: "0.0.0.0:993", SMTP: "[::1]:0", POP3: "192.0.2.1:110", Web: "localhost:0", TLSCert: cert, TLSKey: key, AllowInsecure: true},
		Store:  Store{URL: "postgres://postern:secret@db/postern"},
		Limits: Limits{Sessions: 7, SessionsPerMailbox: 16, PreLogin: 500, LoginTimeout: Duration(90 * time.Second), UpstreamTimeout: Duration(time.Minute)},
		Log:    Log{Level: "debug", Format: "json"},
		Provider: map[string]Provider{"lab": {
			AuthorizeURL: "https://127.0.0.1:9443/{tenant}/authorize", TokenURL: "http://localhost:9443/token", Scopes: []string{"a", "b"},
			IMAP: "127.0.0.1:9993", CAFile: cert,
		}},
		Account: map[string]Account{
			"ann@example.com": {Provider: "lab", ClientID: "x", Flow: "browser", Mailbox: "shared"},
			"bob@example.com": {ClientID: "y", Flow: "client-credentials", Tenant: "contoso.onmicrosoft.com", ClientCertificate: cert, ClientKey: key, PasswordHash: "sha256$x"},
		},
		Path: path,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v; want %+v", got, want)
	}
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData"} {
		t.Setenv(name, dir)
	}
	if c, err := Load("", builtIn); err != nil || !reflect.DeepEqual(c, Default()) {
		t.Errorf("no file at the usual place: %+v, %v", c, err)
	}
	missing := filepath.Join(dir, "missing.toml")
	if _, err := Load(missing, builtIn); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("no file where one was named: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(DefaultPath()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(DefaultPath(), []byte("[log]\nlevel = 'warn'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load("", builtIn); err != nil || c.Log.Level != "warn" || c.Path != DefaultPath() {
		t.Errorf("the file at the usual place: %+v, %v", c, err)
	}
	if _, err := Load(dir, builtIn); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory: %v", err)
	}
}

// A file that a key names and that is missing must not look like a missing configuration, which some
// callers take for an empty one.
func TestMissingFileOfAKey(t *testing.T) {
	_, err := Load(write(t, "[provider.outlook]\nca_file = 'no.pem'\n"), builtIn)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestHomeInPaths(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	if err := os.WriteFile(filepath.Join(home, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, "[account.\"a@b\"]\nclient_id = 'x'\nclient_secret_file = '~/secret'\n")
	if got := c.Account["a@b"].ClientSecretFile; got != filepath.Join(home, "secret") {
		t.Errorf("got %q", got)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: got %v, %v", text, d, err)
		}
		again := Duration(0)
		if out, err := d.MarshalText(); err != nil || again.UnmarshalText(out) != nil || again != d {
			t.Errorf("%q comes back as %q", text, out)
		}
	}
	for _, text := range []string{"", "0", "5", "5 s", "1d", "s", "1e9s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %v", text, d)
		}
	}
}

func TestSuggestion(t *testing.T) {
	known := []string{"provider", "client_id", "client_key", "client_secret_file", "mailbox", "flow"}
	for word, want := range map[string]string{
		"provder": "provider", "Provider": "provider", "clientid": "client_id", "client_secret": "client_secret_file",
		"mialbox": "mailbox", "folw": "flow", "zzz": "", "": "", "client_kye": "client_key", "x": "",
	} {
		if want != "" {
			want = ` (did you mean "` + want + `"?)`
		}
		if got := suggestion(word, known); got != want {
			t.Errorf("%q: got %q; want %q", word, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ö", "o", 1}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("distance(%q, %q) = %d; want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestBase(t *testing.T) {
	home := filepath.Join(string(filepath.Separator), "home", "ann")
	xdg := filepath.Join(string(filepath.Separator), "xdg")
	for _, c := range []struct {
		system string
		env    map[string]string
		want   string
	}{
		{"linux", map[string]string{"HOME": home}, filepath.Join(home, ".config")},
		{"linux", map[string]string{"HOME": home, "XDG_CONFIG_HOME": xdg}, xdg},
		{"linux", map[string]string{"HOME": home, "XDG_CONFIG_HOME": "relative"}, filepath.Join(home, ".config")},
		{"linux", nil, ""},
		{"freebsd", map[string]string{"HOME": home}, filepath.Join(home, ".config")},
		{"darwin", map[string]string{"HOME": home, "XDG_CONFIG_HOME": xdg}, filepath.Join(home, "Library", "Application Support")},
		{"darwin", nil, ""},
		{"windows", map[string]string{"HOME": home, "AppData": "roaming"}, "roaming"},
		{"windows", nil, ""},
	} {
		getenv := func(name string) string { return c.env[name] }
		if got := base(c.system, getenv, "XDG_CONFIG_HOME", ".config", "AppData"); got != c.want {
			t.Errorf("%s %v: got %q; want %q", c.system, c.env, got, c.want)
		}
	}
	if below("", "postern") != "" {
		t.Error("without a base directory the program would write into the working directory")
	}
}

func TestListenerOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"localhost:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "0.0.0.0:1", true},
		{"[::1]:1", "0.0.0.0:1", false},
		{"[::1]:1", "127.0.0.1:1", false},
		{"[::1]:1", "[::]:1", true},
		{"127.0.0.1:1", ":1", true},
		{"mail.example.com:1", ":1", true},
		{"mail.example.com:1", "MAIL.example.com:1", true},
		{"mail.example.com:1", "127.0.0.1:1", false},
	} {
		at := func(text string) listener {
			host, port, err := splitAddress(text)
			if err != nil {
				t.Fatal(err)
			}
			return listener{host: host, port: port}
		}
		if got := at(c.a).overlaps(at(c.b)); got != c.want || at(c.b).overlaps(at(c.a)) != c.want {
			t.Errorf("%s and %s: %v; want %v", c.a, c.b, got, c.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("[listen]\nimap = '127.0.0.1:1143'\n[account.\"a@b\"]\nclient_id = 'x'\n"))
	f.Add([]byte("[provider.lab]\ntoken_url = 'https://x/{tenant}'\nimap = 'x:1'\nscopes = ['a']\n[account.\"Ä@B\"]\nprovider = 'lab'"))
	f.Add([]byte("[limits]\nlogin_timeout = 5\nsessions = 9223372036854775807\n[[listen]]\n"))
	f.Add([]byte("listen = 1\naccount = 2\nprovider = [1979-05-27]\n\"\" = {}\n"))
	f.Add([]byte("\"\\\n"))
	for _, c := range mistakes {
		f.Add([]byte(c.text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse(text, "config.toml", dir, builtIn)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "config.toml: ") {
					t.Errorf("a problem that does not name the file: %q", line)
				}
			}
			return
		}
		p := problems{file: "config.toml"}
		c.check(&p, builtIn)
		if p.err() != nil {
			t.Errorf("accepted at first, refused then: %v", p.err())
		}
		for email := range c.Account {
			if email != strings.ToLower(email) || slices.Contains([]byte(email), 0) {
				t.Errorf("account %q", email)
			}
		}
	})
}
