package auth

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestBuiltInProviders(t *testing.T) {
	all := BuiltIn()
	for name, p := range all {
		t.Run(name, func(t *testing.T) {
			if p.Name != name || p.AuthorizeURL == "" || p.TokenURL == "" || p.IMAP == "" || len(mailScopes(p.Scopes)) == 0 {
				t.Errorf("incomplete: %+v", p)
			}
			if u, err := url.Parse(p.Docs); err != nil || u.Scheme != "https" {
				t.Errorf("no source: %q", p.Docs)
			}
			if err := p.check(); err != nil {
				t.Error(err)
			}
			for _, address := range []string{p.IMAP, p.SMTP, p.POP3} {
				if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
					t.Error(err)
				}
			}
			for _, u := range []string{p.AuthorizeURL, p.TokenURL, p.DeviceURL} {
				if strings.Contains(u, "{") != (p.Tenant != "" && u != "") || u != "" && !strings.HasPrefix(u, "https://") {
					t.Errorf("%s with tenant %q", u, p.Tenant)
				}
			}
		})
	}
	for _, name := range []string{"outlook", "microsoft365", "microsoft365-gcc-high", "microsoft365-china", "gmail", "yahoo", "fastmail"} {
		if _, ok := all[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	all["outlook"].Scopes[0] = "changed"
	if BuiltIn()["outlook"].Scopes[0] == "changed" {
		t.Error("one caller changes what another gets")
	}
}

func TestProviderFor(t *testing.T) {
	for email, want := range map[string]string{
		"ann@outlook.com": "outlook", "ANN@HOTMAIL.CO.UK": "outlook", "ann@live.nl": "outlook", "ann@msn.com": "outlook", "ann@outlook.com.br": "outlook",
		"ann@gmail.com": "gmail", "ann@googlemail.com": "gmail", "ann@yahoo.fr": "yahoo", "ann@aol.com": "aol", "ann@fastmail.fm": "fastmail",
		"ann@contoso.com": "microsoft365", "ann@outlook.contoso.com": "microsoft365", "ann@live.tv": "microsoft365", "ann": "microsoft365", "": "microsoft365",
		"a@b@gmail.com": "gmail",
	} {
		if got := ProviderFor(email); got != want {
			t.Errorf("%s: %s; want %s", email, got, want)
		}
		if _, ok := BuiltIn()[ProviderFor(email)]; !ok {
			t.Errorf("%s is not built in", want)
		}
	}
}

func TestProviderOverride(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	if got := (Provider{IMAP: "127.0.0.1:9993"}).over(BuiltIn()["outlook"]); got.IMAP != "127.0.0.1:9993" || got.TokenURL == "" || got.Name != "outlook" {
		t.Errorf("%+v", got)
	} else if got.IMAPOffers != "" {
		t.Errorf("%s is taken to offer what %s does", got.IMAP, BuiltIn()["outlook"].IMAP)
	}
	if got := (Provider{SMTP: "127.0.0.1:9587"}).over(BuiltIn()["outlook"]); got.IMAPOffers == "" {
		t.Errorf("%+v", got)
	}
	if a, err := f.Account(t.Context(), ann); err != nil || a.Provider.Name != "fake" || a.Provider.IMAP != "mail.test:993" {
		t.Errorf("%+v, %v", a.Provider, err)
	}
}

func TestProviderAddresses(t *testing.T) {
	good := fakeProvider()
	for _, bad := range []string{"", "http://login.test/token", "login.test/token", "https://", "ftp://login.test", "://", "http://localhost.evil.example/"} {
		p := good
		p.TokenURL = bad
		wantProblem(t, p.check(), Configuration, "provider-url")
	}
	for _, ok := range []string{"http://127.0.0.1:9443/token", "http://[::1]:1/t", "http://localhost/t", "https://login.test/{tenant}/token"} {
		p := good
		p.TokenURL = ok
		if err := p.check(); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}

func TestScopes(t *testing.T) {
	tests := []struct {
		scopes []string
		code   string
	}{
		{[]string{imapAll, "offline_access"}, ""},
		{[]string{imapAll, "https://outlook.office365.com/SMTP.Send"}, ""},
		{[]string{"https://mail.google.com/"}, ""},
		{[]string{"mail-w"}, ""},
		{[]string{"https://outlook.office365.com/.default"}, ""},
		{[]string{"IMAP.AccessAsUser.All"}, "graph-scope"},
		{[]string{"https://graph.microsoft.com/IMAP.AccessAsUser.All"}, "graph-scope"},
		{[]string{imapAll, "https://graph.microsoft.com/User.Read"}, "graph-scope"},
		{[]string{imapAll, "User.Read"}, "mixed-scopes"},
		{[]string{imapAll, "https://outlook.office.com/.default"}, "mixed-scopes"},
		{[]string{"offline_access", "openid"}, "no-scope"},
		{nil, "no-scope"},
		{[]string{imapAll + " " + imapAll}, "no-scope"},
	}
	for _, tt := range tests {
		err := checkScopes("fake", tt.scopes)
		if tt.code == "" {
			if err != nil {
				t.Errorf("%v: %v", tt.scopes, err)
			}
			continue
		}
		wantProblem(t, err, Configuration, tt.code)
	}
}

func TestCovers(t *testing.T) {
	const pop, smtp = "https://outlook.office.com/POP.AccessAsUser.All", "https://outlook.office.com/SMTP.Send"
	exchange := Provider{Name: "fake", Scopes: []string{imapAll, pop, smtp, "offline_access"}}
	old := Provider{Name: "fake", Scopes: []string{imapAll}}
	tests := []struct {
		name     string
		account  Account
		protocol string
		granted  []string
		code     string
	}{
		{"granted", Account{Provider: exchange}, "smtp", []string{"openid", "smtp.send"}, ""},
		{"not granted", Account{Provider: exchange}, "smtp", []string{imapAll}, "not-covered"},
		{"switched on later", Account{Provider: exchange.onlyFor([]string{"imap", "pop3"})}, "pop3", []string{imapAll}, "not-covered"},
		{"nobody knows", Account{Provider: exchange}, "smtp", []string{"openid"}, ""},
		{"default", Account{Provider: exchange}, "smtp", []string{"https://outlook.office.com/.default"}, ""},
		{"app", Account{Provider: exchange, Flow: FlowClientCredentials}, "smtp", []string{imapAll}, ""},
		{"no scope", Account{Provider: old}, "pop3", []string{imapAll}, "no-scope-for"},
		{"one for all", Account{Provider: BuiltIn()["gmail"]}, "smtp", []string{"https://mail.google.com/"}, ""},
	}
	for _, tt := range tests {
		err := tt.account.Covers(tt.protocol, Token{Scopes: tt.granted})
		if p, _ := errors.AsType[*Problem](err); tt.code == "" && err != nil || tt.code != "" && (p == nil || p.Code != tt.code) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.code)
		}
	}
}

// A protocol that is switched off is not asked for, and stays in the grant that has it.
func TestScopesOfProtocols(t *testing.T) {
	const pop, smtp = "https://outlook.office.com/POP.AccessAsUser.All", "https://outlook.office.com/SMTP.Send"
	all := []string{imapAll, pop, smtp, "offline_access"}
	tests := []struct {
		name            string
		scopes, in      []string
		want            []string
		granted, asking []string
	}{
		{"one", all, []string{"imap"}, []string{imapAll, "offline_access"}, all, []string{imapAll, pop, smtp}},
		{"two", all, []string{"pop3", "smtp"}, []string{pop, smtp, "offline_access"}, []string{pop}, []string{pop}},
		{"none is all", all, nil, all, nil, []string{imapAll, pop, smtp}},
		{"unknown grant", all, []string{"smtp"}, []string{smtp, "offline_access"}, nil, []string{smtp}},
		{"no scope for it", []string{imapAll}, []string{"smtp"}, []string{imapAll}, nil, []string{imapAll}},
		{"not divided", []string{"mail-w"}, []string{"smtp"}, []string{"mail-w"}, nil, []string{"mail-w"}},
	}
	for _, tt := range tests {
		a := Account{Provider: Provider{Scopes: tt.scopes}.onlyFor(tt.in)}
		if !slices.Equal(a.Provider.Scopes, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, a.Provider.Scopes, tt.want)
		}
		if got := a.refreshScopes(tt.granted); !slices.Equal(got, tt.asking) {
			t.Errorf("%s: refresh asks for %v; want %v", tt.name, got, tt.asking)
		}
	}
}

func TestScopesOfRequests(t *testing.T) {
	smtp := "https://outlook.office.com/SMTP.Send"
	microsoft := Account{Provider: Provider{Scopes: []string{imapAll, smtp}}}
	china := Account{Provider: Provider{Scopes: []string{"https://partner.outlook.cn/IMAP.AccessAsUser.All"}}}
	google := Account{Provider: BuiltIn()["gmail"]}
	tests := []struct {
		name      string
		got, want []string
	}{
		{"sign-in", microsoft.signInScopes(), []string{imapAll, smtp, "offline_access", "openid", "profile", "email"}},
		{"refresh", microsoft.refreshScopes([]string{"imap.accessasuser.ALL", "https://outlook.office365.com/smtp.send"}), []string{imapAll, smtp}},
		{"refresh of what was granted", microsoft.refreshScopes([]string{imapAll}), []string{imapAll}},
		{"refresh of nobody knows what", microsoft.refreshScopes(nil), []string{imapAll, smtp}},
		{"app", microsoft.appScopes(), []string{"https://outlook.office365.com/.default"}},
		{"app in China", china.appScopes(), []string{"https://partner.outlook.cn/.default"}},
		{"Google's sign-in", google.signInScopes(), []string{"https://mail.google.com/", "openid", "email"}},
		{"Google's refresh", google.refreshScopes([]string{"https://mail.google.com/", "openid"}), []string{"https://mail.google.com/"}},
		{"missing", missingScopes([]string{imapAll, smtp, "openid"}, []string{"IMAP.AccessAsUser.All"}), []string{smtp}},
		{"nothing missing", missingScopes([]string{"https://mail.google.com/"}, []string{"https://mail.google.com"}), []string{}},
	}
	for _, tt := range tests {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestGoogleSignIn(t *testing.T) {
	account := Account{Email: ann, Provider: Provider{Name: "gmail"}, ClientID: clientID}
	f := newFixture(t, fixtureOptions{account: &account})
	asked := f.begin().asked
	if asked.Get("access_type") != "offline" || asked.Get("prompt") != "consent" || strings.Contains(asked.Get("scope"), "offline_access") || asked.Has("response_mode") {
		t.Errorf("%v", asked)
	}
}
