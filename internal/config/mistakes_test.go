package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mistakes are files with what Load says about them, a line for each problem, after the file's name. A file
// next to them is empty.pem; text.pem holds no certificate.
var mistakes = []struct {
	name, text string
	want       []string
}{
	{"nothing", "", nil},
	{"unknown keys", `
		typo = 1
		[listn]
		imap = "127.0.0.1:1143"
		[listen]
		impa = ""
		client_id = "x"
		[account."ann@example.com"]
		provder = "outlook"
		client_id = "x"
		client_secret = "x"
		colour = "red"`,
		[]string{
			`account."ann@example.com".client_secret: unknown key (did you mean "client_secret_file"?)`,
			`account."ann@example.com".colour: unknown key`,
			`account."ann@example.com".provder: unknown key (did you mean "provider"?)`,
			`listen.client_id: unknown key here: it belongs in [account.NAME]`,
			`listen.impa: unknown key (did you mean "imap"?)`,
			`listn: unknown key (did you mean "listen"?)`,
			`typo: unknown key`,
		}},
	{"keys have one case", "[Listen]\n[log]\nLevel = 'warn'",
		[]string{`Listen: unknown key (did you mean "listen"?)`, `log.Level: unknown key (did you mean "level"?)`}},
	{"wrong types", `
		store = "postgres://db"
		provider = { outlook = 3 }
		account = [1]
		[listen]
		imap = 1143
		allow_insecure = "true"
		[limits]
		sessions = "many"
		pre_login = 1.5
		login_timeout = 120
		upstream_timeout = "60"
		[log]
		level = 1979-05-27
		format = { json = true }`,
		[]string{
			`account: want tables, [account.NAME], got a list`,
			`limits.login_timeout: want a duration with a unit, such as "90s", "2m" or "1h30m", got 120`,
			`limits.pre_login: want a whole number without quotes, got 1.5`,
			`limits.sessions: want a whole number without quotes, got the text "many"`,
			`limits.upstream_timeout: want a duration with a unit, such as "90s", "2m" or "1h30m", got "60"`,
			`listen.allow_insecure: want true or false without quotes, got the text "true"`,
			`listen.imap: want a text in quotes, got 1143`,
			`log.format: want a text in quotes, got a table`,
			`log.level: want a text in quotes, got a date or time`,
			`provider.outlook: want a table, [provider.outlook], got 3`,
			`store: want a table, [store], got the text "postgres://db"`,
		}},
	{"syntax", "[listen]\nimap = 127.0.0.1", []string{`line 2, column 8: `}},
	{"key twice", "[log]\nlevel = 'info'\nlevel = 'info'", []string{`line 3, column 16: Key `}},
	{"addresses", `
		[listen]
		imap = "1143"
		imaps = "127.0.0.1:imaps"
		smtp = "127.0.0.1:70000"
		pop3 = "a b:110"
		web = "[1::2::3]:80"`,
		[]string{
			`listen.imap: want host:port such as "127.0.0.1:1143", got "1143"`,
			`listen.imaps: "imaps" is not a port: want a number from 0 to 65535`,
			`listen.imaps: needs listen.tls_cert and listen.tls_key`,
			`listen.pop3: "a b" is not a host`,
			`listen.smtp: "70000" is not a port: want a number from 0 to 65535`,
			`listen.web: "1::2::3" is not an IPv6 address`,
		}},
	{"reachable from outside", `
		[listen]
		imap = ":1143"
		smtp = "0.0.0.0:1587"
		pop3 = "mail.example.com:1110"
		web = "[::]:1180"`,
		[]string{
			`listen.imap: ":1143" can be reached from other machines, and passwords would cross the network in clear: set listen.tls_cert and listen.tls_key, or listen on 127.0.0.1, or set listen.allow_insecure = true`,
			`listen.pop3: "mail.example.com:1110" can be reached from other machines, and passwords`,
			`listen.smtp: "0.0.0.0:1587" can be reached from other machines, and passwords`,
			`listen.web: "[::]:1180" can be reached from other machines; want an address of this one, such as "127.0.0.1:1180"`,
		}},
	{"reachable by consent", "[listen]\nimap = ':1143'\nweb = ''\nallow_insecure = true", nil},
	{"consent is not for the page", "[listen]\nweb = ':1180'\nallow_insecure = true", []string{`listen.web: ":1180" can be reached`}},
	{"one address twice", "[listen]\nsmtp = 'localhost:1143'\npop3 = '127.0.0.1:1180'",
		[]string{
			`listen.smtp: "localhost:1143" is the address of listen.imap too: give each a port of its own`,
			`listen.web: "127.0.0.1:1180" is the address of listen.pop3 too: give each a port of its own`,
		}},
	{"TLS half", "[listen]\ntls_cert = 'text.pem'", []string{`listen.tls_key: missing: listen.tls_cert is set, and one is of no use without the other`}},
	{"TLS other half", "[listen]\ntls_key = 'text.pem'\nimaps = '127.0.0.1:0'",
		[]string{`listen.imaps: needs listen.tls_cert and listen.tls_key`, `listen.tls_cert: missing: listen.tls_key is set`}},
	{"TLS files", "[listen]\ntls_cert = 'no.pem'\ntls_key = 'empty.pem'",
		[]string{`listen.tls_cert: can not read DIR/no.pem: no such file or directory`, `listen.tls_key: DIR/empty.pem is empty`}},
	{"TLS not a pair", "[listen]\ntls_cert = 'text.pem'\ntls_key = 'text.pem'",
		[]string{`listen.tls_cert: DIR/text.pem and DIR/text.pem are not a certificate and its key: `}},
	{"values", `
		[store]
		url = "mysql://user:password@db"
		[limits]
		sessions = 0
		sessions_per_mailbox = -1
		pre_login = 1000001
		login_timeout = "10ms"
		upstream_timeout = "2h"
		[log]
		level = "warning"
		format = "logfmt"`,
		[]string{
			`limits.login_timeout: want a duration from 1s to 1h0m0s, got 10ms`,
			`limits.pre_login: want a number from 1 to 1000000, got 1000001`,
			`limits.sessions: want a number from 1 to 1000000, got 0`,
			`limits.sessions_per_mailbox: want a number from 1 to 1000000, got -1`,
			`limits.upstream_timeout: want a duration from 1s to 1h0m0s, got 2h0m0s`,
			`log.format: want one of text, json, got "logfmt"`,
			`log.level: want one of debug, info, warn, error, got "warning" (did you mean "warn"?)`,
			`store.url: want "" or an address that begins with postgres://`,
		}},
	{"provider", `
		[provider.Lab]
		authorize_url = "http://login.example.com/authorize"
		token_url = "login.example.com/token"
		device_url = "https://user:pw@login.example.com/device"
		revoke_url = "https://login.example.com/{realm}/revoke"
		scopes = ["a b", ""]
		imap = "imap.example.com"
		smtp = ":587"
		pop3 = "pop.example.com:0"
		tenant = "a\u0000b"
		ca_file = "text.pem"`,
		[]string{
			`provider.Lab.authorize_url: want an address that begins with https:// (http:// only on this machine), got "http://login.example.com/authorize"`,
			`provider.Lab.ca_file: no PEM certificate in DIR/text.pem`,
			`provider.Lab.device_url: want an address such as "https://login.example.com/oauth2/token"`,
			`provider.Lab.imap: want host:port such as "127.0.0.1:1143", got "imap.example.com"`,
			`provider.Lab.pop3: want the server's host:port such as "imap.example.com:993", got "pop.example.com:0"`,
			`provider.Lab.revoke_url: want an address such as "https://login.example.com/oauth2/token", got "https://login.example.com/{realm}/revoke"`,
			`provider.Lab.scopes: "" is not one scope: want one text for each`,
			`provider.Lab.scopes: "a b" is not one scope: want one text for each`,
			`provider.Lab.smtp: want the server's host:port such as "imap.example.com:993", got ":587"`,
			`provider.Lab.tenant: control characters are not allowed, got "a\x00b"`,
			`provider.Lab.token_url: want an address such as "https://login.example.com/oauth2/token", got "login.example.com/token"`,
			`provider.Lab: want a name of the letters a-z, digits, - and _`,
		}},
	{"new provider", "[provider.lab]",
		[]string{`provider.lab.imap: missing: the table needs at least one of imap, smtp and pop3`, `provider.lab.token_url: missing: "lab" is not a built-in provider, so its table has to say`}},
	{"changed provider", "[provider.outlook]\nimap = '127.0.0.1:993'", nil},
	{"client id of Microsoft", `[account."ann@example.com"]`,
		[]string{`account."ann@example.com".client_id: missing: Postern ships no client id of its own or of another program; register an application at https://entra.microsoft.com (App registrations > New registration; platform "Mobile and desktop applications" with the redirect URI http://localhost; Allow public client flows = Yes) and copy its "Application (client) ID"; "postern setup" leads through it`}},
	{"client id of Google", `[account."ann@gmail.com"]`,
		[]string{`account."ann@gmail.com".client_id: missing: Postern ships no client id of its own or of another program; create one of type "Desktop app" at https://console.cloud.google.com/apis/credentials`}},
	{"account", `
		[account."ann@example.com"]
		provider = "outlok"
		client_id = "x"
		flow = "devcie"
		mailbox = "a\r\nb"
		password_hash = "hunter2"
		client_secret_file = "no"`,
		[]string{
			`account."ann@example.com".client_secret_file: can not read DIR/no: no such file or directory`,
			`account."ann@example.com".flow: want one of browser, device, client-credentials, got "devcie" (did you mean "device"?)`,
			`account."ann@example.com".mailbox: control characters are not allowed, got "a\r\nb"`,
			`account."ann@example.com".password_hash: want the hash of a local password, which begins with "sha256$" or "argon2id$", not the password`,
			`account."ann@example.com".provider: unknown provider "outlok" (did you mean "outlook"?); known are gmail, microsoft365, microsoft365-gcc-high, outlook`,
		}},
	{"account names", `
		[account.ann]
		client_id = "x"
		[account."@b"]
		client_id = "x"
		[account."a @b"]
		client_id = "x"
		[account."a@b\u0000"]
		client_id = "x"`,
		[]string{
			`account."@b": want the table named after the mail address, such as [account."ann@example.com"]`,
			`account."a @b": want the table named after`,
			`account."a@b\u0000": want the table named after`,
			`account.ann: want the table named after`,
		}},
	{"one account twice", `
		[account."ann@example.com"]
		client_id = "x"
		[account."Ann@example.com"]
		client_id = "x"`,
		[]string{`account."ann@example.com": is the account "Ann@example.com" again: addresses compare without case`}},
	{"client credentials", `
		[account."a@example.com"]
		client_id = "x"
		flow = "client-credentials"
		[account."b@example.com"]
		provider = "microsoft365-gcc-high"
		client_id = "x"
		flow = "client-credentials"
		tenant = "Common"
		client_secret_file = "text.pem"
		client_key = "text.pem"
		[account."c@outlook.com"]
		provider = "outlook"
		client_id = "x"
		flow = "client-credentials"
		client_secret_file = "text.pem"
		[account."d@example.com"]
		provider = "gmail"
		client_id = "x"
		flow = "client-credentials"
		client_certificate = "text.pem"
		client_key = "text.pem"`,
		[]string{
			`account."a@example.com".flow: "client-credentials" needs client_secret_file, or client_certificate and client_key`,
			`account."a@example.com".tenant: flow "client-credentials" needs the organisation's own tenant, such as "contoso.onmicrosoft.com" or its id, got ""`,
			`account."b@example.com".client_certificate: missing: client_key is set, and one is of no use without the other`,
			`account."b@example.com".client_secret_file: set together with a certificate: want one of the two`,
			`account."b@example.com".tenant: flow "client-credentials" needs the organisation's own tenant, such as "contoso.onmicrosoft.com" or its id, got "Common"`,
			`account."c@outlook.com".flow: "client-credentials" does not exist for personal accounts: want "browser" or "device"`,
		}},
	{"flows of a new provider", `
		[provider.lab]
		token_url = "https://127.0.0.1/token"
		imap = "127.0.0.1:993"
		[account."a@example.com"]
		provider = "lab"
		client_id = "x"
		[account."b@example.com"]
		provider = "lab"
		client_id = "x"
		flow = "device"
		[account."c@example.com"]
		provider = "lab"
		client_id = "x"
		flow = "client-credentials"
		client_secret_file = "text.pem"`,
		[]string{`account."a@example.com".flow: "browser" needs provider.lab.authorize_url`, `account."b@example.com".flow: "device" needs provider.lab.device_url`}},
	{"tenant of the provider's table", `
		[provider.microsoft365]
		tenant = "contoso.onmicrosoft.com"
		[account."a@example.com"]
		provider = "microsoft365"
		client_id = "x"
		flow = "client-credentials"
		client_secret_file = "text.pem"`, nil},
}

func TestMistakes(t *testing.T) {
	for _, c := range mistakes {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.text)
			dir := filepath.Dir(path)
			for name, text := range map[string]string{"empty.pem": "", "text.pem": "hello\n"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			config, err := Load(path, builtIn)
			if len(c.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || config != nil {
				t.Fatalf("got %+v, %v", config, err)
			}
			var got []string
			for line := range strings.Lines(err.Error()) {
				line, named := strings.CutPrefix(strings.TrimSuffix(line, "\n"), path+": ")
				if !named {
					t.Errorf("%q does not name the file", line)
				}
				got = append(got, strings.ReplaceAll(line, dir+string(filepath.Separator), "DIR/"))
			}
			slices.Sort(got)
			if len(got) != len(c.want) {
				t.Fatalf("got %d problems:\n%s\nwant %d", len(got), strings.Join(got, "\n"), len(c.want))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("got  %s\nwant %s", got[i], want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "user:password") {
				t.Errorf("a secret is repeated: %v", err)
			}
		})
	}
}
