package auth

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Provider is where accounts of one kind sign in and where their mailboxes are. It is plain data: what a
// provider does differently is said in its fields, not in code that asks for its name.
type Provider struct {
	Name string
	// Endpoints; "{tenant}" in them is replaced. DeviceURL and RevokeURL are "" where there is none.
	AuthorizeURL, TokenURL, DeviceURL, RevokeURL string
	Tenant                                       string            // default for "{tenant}"
	Scopes                                       []string          // for a person's sign-in, those of every protocol
	AuthorizeParams                              map[string]string // sent along to AuthorizeURL
	IMAP, SMTP, POP3                             string            // host:port, with TLS, STARTTLS (on port 465 TLS), TLS; "" = none
	// IMAPOffers is the part of the IMAP server's capabilities before login that matters to a login, for a server
	// that does not name them in its greeting; "" = it has to be asked.
	IMAPOffers string
	RootCAs    *x509.CertPool // trusted for all of these; nil = the system's
	Docs       string         // where this is documented

	every []string // Scopes, before those of protocols that are not used were left out; nil = all are in use
}

// over returns p with its empty fields taken from base.
func (p Provider) over(base Provider) Provider {
	if p.IMAPOffers == "" && p.IMAP == "" { // another server may offer something else
		p.IMAPOffers = base.IMAPOffers
	}
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&p.Name, base.Name}, {&p.AuthorizeURL, base.AuthorizeURL}, {&p.TokenURL, base.TokenURL},
		{&p.DeviceURL, base.DeviceURL}, {&p.RevokeURL, base.RevokeURL}, {&p.Tenant, base.Tenant},
		{&p.IMAP, base.IMAP}, {&p.SMTP, base.SMTP}, {&p.POP3, base.POP3}, {&p.Docs, base.Docs},
	} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if p.Scopes == nil {
		p.Scopes = base.Scopes
	}
	if p.AuthorizeParams == nil {
		p.AuthorizeParams = base.AuthorizeParams
	}
	if p.RootCAs == nil {
		p.RootCAs = base.RootCAs
	}
	return p
}

// BuiltIn returns the providers that Postern knows, by name. The caller may change the map.
func BuiltIn() map[string]Provider {
	all := map[string]Provider{}
	for _, p := range slices.Concat(microsoft(), others()) {
		all[p.Name] = p
	}
	return all
}

const (
	docsMicrosoft   = "https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth"
	docsGmail       = "https://developers.google.com/workspace/gmail/imap/xoauth2-protocol"
	docsThunderbird = "https://searchfox.org/comm-central/source/mailnews/base/src/OAuth2Providers.sys.mjs"
)

// tokenAtOnce is what a login with one command needs. Exchange Online offers it (probes of 2016 to September 2026),
// and Gmail does (docsGmail).
const tokenAtOnce = "SASL-IR AUTH=XOAUTH2"

// entra is Microsoft's identity platform at one of its clouds, with Exchange.
func entra(base string) Provider {
	return Provider{
		IMAPOffers:   tokenAtOnce,
		AuthorizeURL: base + "/{tenant}/oauth2/v2.0/authorize",
		TokenURL:     base + "/{tenant}/oauth2/v2.0/token",
		DeviceURL:    base + "/{tenant}/oauth2/v2.0/devicecode",
		Tenant:       "common",
		Docs:         docsMicrosoft,
	}
}

// exchangeScopes open a mailbox of Exchange by IMAP, POP and SMTP.
func exchangeScopes(resource string) []string {
	return []string{resource + "/IMAP.AccessAsUser.All", resource + "/POP.AccessAsUser.All", resource + "/SMTP.Send", "offline_access"}
}

// microsoft lists the clouds whose login host, scopes and mail hosts are known to belong together. The US
// DoD cloud is left out: sources differ on its scope.
func microsoft() []Provider {
	outlook := entra("https://login.microsoftonline.com")
	outlook.Name = "outlook"
	outlook.Tenant = "consumers"
	// The prefix outlook.office.com is the one that works for personal and for work accounts.
	outlook.Scopes = exchangeScopes("https://outlook.office.com")
	outlook.IMAP, outlook.POP3 = "outlook.office365.com:993", "outlook.office365.com:995"
	outlook.SMTP = "smtp-mail.outlook.com:587"

	work := outlook
	work.Name, work.Tenant, work.SMTP = "microsoft365", "common", "smtp.office365.com:587"

	gcc := entra("https://login.microsoftonline.us")
	gcc.Name, gcc.Tenant = "microsoft365-gcc-high", "organizations"
	gcc.Scopes = exchangeScopes("https://outlook.office365.us")
	gcc.IMAP, gcc.POP3, gcc.SMTP = "outlook.office365.us:993", "outlook.office365.us:995", "outlook.office365.us:587"
	gcc.Docs = "https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-u-s-government-gcc-high-endpoints"

	china := entra("https://login.partner.microsoftonline.cn")
	china.Name, china.Tenant = "microsoft365-china", "organizations"
	china.Scopes = exchangeScopes("https://partner.outlook.cn")
	china.IMAP, china.POP3, china.SMTP = "partner.outlook.cn:993", "partner.outlook.cn:995", "smtp.partner.outlook.cn:587"
	china.Docs = "https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud"

	return []Provider{outlook, work, gcc, china}
}

func others() []Provider {
	return []Provider{{
		Name:         "gmail",
		AuthorizeURL: "https://accounts.google.com/o/oauth2/v2/auth",
		TokenURL:     "https://oauth2.googleapis.com/token",
		RevokeURL:    "https://oauth2.googleapis.com/revoke",
		Scopes:       []string{"https://mail.google.com/", "openid", "email"},
		// Google has no offline_access scope, and gives a refresh token a second time only after consent.
		AuthorizeParams: map[string]string{"access_type": "offline", "prompt": "consent"},
		IMAP:            "imap.gmail.com:993", SMTP: "smtp.gmail.com:587", POP3: "pop.gmail.com:995",
		IMAPOffers: tokenAtOnce,
		Docs:       docsGmail,
	}, {
		Name:         "yahoo",
		AuthorizeURL: "https://api.login.yahoo.com/oauth2/request_auth",
		TokenURL:     "https://api.login.yahoo.com/oauth2/get_token",
		Scopes:       []string{"mail-w"},
		IMAP:         "imap.mail.yahoo.com:993", SMTP: "smtp.mail.yahoo.com:587", POP3: "pop.mail.yahoo.com:995",
		Docs: docsThunderbird,
	}, {
		Name:         "aol",
		AuthorizeURL: "https://api.login.aol.com/oauth2/request_auth",
		TokenURL:     "https://api.login.aol.com/oauth2/get_token",
		Scopes:       []string{"mail-w"},
		IMAP:         "imap.aol.com:993", SMTP: "smtp.aol.com:587", POP3: "pop.aol.com:995",
		Docs: docsThunderbird,
	}, {
		Name:         "fastmail",
		AuthorizeURL: "https://api.fastmail.com/oauth/authorize",
		TokenURL:     "https://api.fastmail.com/oauth/refresh",
		Scopes: []string{"https://www.fastmail.com/dev/protocol-imap", "https://www.fastmail.com/dev/protocol-pop",
			"https://www.fastmail.com/dev/protocol-smtp"},
		IMAP: "imap.fastmail.com:993", SMTP: "smtp.fastmail.com:587", POP3: "pop.fastmail.com:995",
		Docs: "https://www.fastmail.com/developer/oauth",
	}, {
		Name:         "comcast",
		AuthorizeURL: "https://oauth.xfinity.com/oauth/authorize",
		TokenURL:     "https://oauth.xfinity.com/oauth/token",
		Scopes:       []string{"https://email.comcast.net/", "profile", "openid"},
		IMAP:         "imap.comcast.net:993", SMTP: "smtp.comcast.net:587", POP3: "pop.comcast.net:995",
		Docs: docsThunderbird,
	}, {
		Name:         "yandex",
		AuthorizeURL: "https://oauth.yandex.com/authorize",
		TokenURL:     "https://oauth.yandex.com/token",
		Scopes:       []string{"mail:imap_full", "mail:smtp"},
		IMAP:         "imap.yandex.com:993", SMTP: "smtp.yandex.com:587",
		Docs: docsThunderbird,
	}, {
		Name:         "mailru",
		AuthorizeURL: "https://o2.mail.ru/login",
		TokenURL:     "https://o2.mail.ru/token",
		Scopes:       []string{"mail.imap"},
		IMAP:         "imap.mail.ru:993",
		Docs:         docsThunderbird,
	}}
}

// personalEndings are what follows outlook., hotmail. or live. in the domains of Microsoft's personal mail.
var personalEndings = strings.Fields(`com at be ca cl cn co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com.ar
	com.au com.br com.gr com.hk com.mx com.my com.ph com.pt com.sg com.tr com.tw com.vn cz de dk es fi fr gr hu ie in it
	jp kr lv my net nl no ph pt rs ru sa se sg sk vn`)

// otherDomains are the domains of providers that are not Microsoft's.
var otherDomains = map[string]string{
	"gmail.com": "gmail", "googlemail.com": "gmail", "yahoo.com": "yahoo", "ymail.com": "yahoo", "rocketmail.com": "yahoo",
	"aol.com": "aol", "fastmail.com": "fastmail", "fastmail.fm": "fastmail", "comcast.net": "comcast",
	"yandex.com": "yandex", "yandex.ru": "yandex", "ya.ru": "yandex", "mail.ru": "mailru",
}

// ProviderFor names the built-in provider that an address most likely belongs to. A domain that is not known
// is taken for an organisation's at Microsoft 365.
func ProviderFor(email string) string {
	domain := addressKey(email)
	domain = domain[strings.LastIndexByte(domain, '@')+1:]
	if name, ok := otherDomains[domain]; ok {
		return name
	}
	brand, ending, _ := strings.Cut(domain, ".")
	switch {
	case domain == "msn.com", domain == "windowslive.com", domain == "passport.com":
		return "outlook"
	case slices.Contains([]string{"outlook", "hotmail", "live"}, brand) && slices.Contains(personalEndings, ending):
		return "outlook"
	case brand == "yahoo" && slices.Contains(personalEndings, ending):
		return "yahoo"
	}
	return "microsoft365"
}

// check finds what would send secrets in the clear or nowhere.
func (p Provider) check() error {
	for _, u := range []struct{ key, value string }{
		{"authorize_url", p.AuthorizeURL}, {"token_url", p.TokenURL}, {"device_url", p.DeviceURL}, {"revoke_url", p.RevokeURL},
	} {
		if u.value == "" && u.key != "token_url" {
			continue
		}
		if err := checkURL(u.value); err != nil {
			return newProblem("provider-url", about{detail: fmt.Sprintf("provider %s: %s: %v", p.Name, u.key, err)})
		}
	}
	return checkScopes(p.Name, p.Scopes)
}

func checkURL(s string) error {
	u, err := url.Parse(strings.ReplaceAll(s, "{tenant}", "common"))
	switch {
	case s == "":
		return fmt.Errorf("it is missing")
	case err != nil:
		return fmt.Errorf("%q is no URL", s)
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q is neither https nor on this machine", s)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
