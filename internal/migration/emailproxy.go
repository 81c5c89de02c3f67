package migration

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"postern/internal/store"
)

var proxyServer = regexp.MustCompile(`^(IMAP|POP|SMTP)-(\d+)$`)

func isEmailProxy(text string) bool {
	return slices.ContainsFunc(readINI(text), func(s section) bool {
		return proxyServer.MatchString(s.name) && s.get("server_address") != "" || strings.Contains(s.name, "@") && s.get("token_url") != ""
	})
}

// readEmailProxy follows the sample configuration of email-oauth2-proxy and its README.
func readEmailProxy(text string) (*Settings, error) {
	found := &Settings{}
	servers := map[string]string{} // protocol to host:port
	for _, s := range readINI(text) {
		m := proxyServer.FindStringSubmatch(s.name)
		switch {
		case m != nil:
			found.proxyServer(s, strings.ToLower(m[1]), m[2], servers)
		case strings.HasPrefix(s.name, "@"):
			found.Left = append(found.Left, "["+s.name+"]: Postern takes no unknown addresses of a domain: add each account by itself")
		case strings.Contains(s.name, "@"):
			found.Accounts = append(found.Accounts, proxyAccount(s))
		case s.name == "emailproxy":
			found.proxyOptions(s)
		}
	}
	for i := range found.Accounts {
		a := &found.Accounts[i]
		a.IMAP, a.SMTP, a.POP3 = servers["imap"], servers["smtp"], servers["pop"]
	}
	return found, nil
}

// proxyServer keeps the first port of each protocol: Postern serves all accounts on one.
func (f *Settings) proxyServer(s section, protocol, port string, servers map[string]string) {
	if servers[protocol] == "" {
		servers[protocol] = net.JoinHostPort(s.get("server_address"), s.get("server_port"))
	}
	key := map[string]string{"imap": "imap", "pop": "pop3", "smtp": "smtp"}[protocol]
	cert, certKey := s.get("local_certificate_path"), s.get("local_key_path")
	if cert != "" && protocol == "imap" && s.get("local_starttls") != "True" {
		key = "imaps"
	}
	if slices.ContainsFunc(f.Listen, func(p Pair) bool { return p.Key == key }) {
		f.Left = append(f.Left, "["+s.name+"]: Postern serves all accounts on one port for each protocol: set the mail clients of this one to the other port")
		return
	}
	host := s.get("local_address")
	switch host {
	case "", "localhost", "::":
		host = "127.0.0.1"
	}
	f.Listen = append(f.Listen, Pair{key, net.JoinHostPort(host, port)})
	if cert != "" && !slices.ContainsFunc(f.Listen, func(p Pair) bool { return p.Key == "tls_cert" }) {
		f.Listen = append(f.Listen, Pair{"tls_cert", cert}, Pair{"tls_key", certKey})
	}
}

func (f *Settings) proxyOptions(s section) {
	why := map[string]string{
		"delete_account_token_on_password_error":          "Postern deletes no token because of a wrong password",
		"encrypt_client_secret_on_first_use":              "Postern reads a client secret from a file of its own",
		"use_login_password_as_client_credentials_secret": "Postern keeps the app's secret and the mail clients' password apart",
		"allow_catch_all_accounts":                        "Postern takes no unknown addresses",
	}
	for _, key := range s.order {
		if why[key] != "" {
			f.Left = append(f.Left, "[emailproxy] "+key+": "+why[key])
		}
	}
}

func proxyAccount(s section) Account {
	a := Account{
		Email: strings.ToLower(s.name), AuthorizeURL: s.get("permission_url"), TokenURL: s.get("token_url"),
		Scopes: strings.Fields(s.get("oauth2_scope")), ClientID: given(s.get("client_id")), ClientSecret: store.NewSecret(given(s.get("client_secret"))),
		ClientCertificate: s.get("jwt_certificate_path"), ClientKey: s.get("jwt_key_path"), Flow: "browser",
	}
	switch flow := s.get("oauth2_flow"); flow {
	case "", "authorization_code":
	case "device":
		a.Flow = "device"
		if strings.HasSuffix(a.AuthorizeURL, "/devicecode") {
			a.AuthorizeURL, a.DeviceURL = "", a.AuthorizeURL
		}
	case "client_credentials":
		a.Flow = "client-credentials"
	case "password":
		a.left("oauth2_flow = password", "Postern never sees the password of the mailbox; it signs in with the browser instead")
	case "service_account":
		a.Broken = "Google's service accounts are not supported"
	default:
		a.Broken = fmt.Sprintf("oauth2_flow = %s is unknown", flow)
	}
	if uri := s.get("redirect_uri"); uri != "" && uri != "http://localhost" && uri != "http://localhost/" && a.Flow == "browser" {
		a.left("redirect_uri = "+uri, "Postern waits for the browser at http://localhost with any free port: the app registration must allow that")
	}
	if s.get("oauth2_resource") != "" {
		a.left("oauth2_resource", "it belongs to the old v1 endpoint")
	}
	if s.get("access_token") != "" {
		a.left("access_token", "it lives for an hour at most; the refresh token brings another")
	}
	a.seal(s)
	return a
}

// given leaves out what the sample configuration has in the place of a value.
func given(value string) string {
	if strings.HasPrefix(value, "***") {
		return ""
	}
	return value
}

// seal keeps what a password opens.
func (a *Account) seal(s section) {
	refresh, secret := s.get("refresh_token"), s.get("client_secret_encrypted")
	if refresh == "" && secret == "" {
		return
	}
	iterations, _ := strconv.Atoi(s.get("token_iterations"))
	a.Sealed = &Sealed{salt: s.get("token_salt"), iterations: iterations, refresh: refresh, clientSecret: secret}
}
