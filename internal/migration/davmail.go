package migration

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

var davMailKey = regexp.MustCompile(`(?m)^\s*davmail\.[A-Za-z.]+\s*[=:]`)

func isDavMail(text string) bool { return davMailKey.MatchString(text) }

// readDavMail follows the commented sample of davmail.properties. DavMail itself talks to Exchange Web Services
// or Graph, so its tokens open no IMAP.
func readDavMail(text string) (*Settings, error) {
	values := readProperties(text)
	get := func(key string) string { return values["davmail."+key] }
	a := Account{Service: "microsoft", ClientID: get("oauth.clientId"), Tenant: get("oauth.tenantId"), Flow: "browser"}
	switch mode := get("mode"); mode {
	case "O365DeviceCode":
		a.Flow = "device"
	case "", "Auto", "EWS", "WebDav":
		if !strings.Contains(get("url"), "office365") {
			a.Broken = "DavMail's mode is " + strconv.Quote(mode) + ", for an Exchange server of one's own: Postern is for mailboxes in the cloud"
		}
	}
	switch {
	case get("tld") == "us":
		a.Service = "microsoft365-gcc-high"
	case strings.Contains(get("loginUrl"), "chinacloudapi.cn"), strings.Contains(get("loginUrl"), "partner.microsoftonline.cn"), get("tld") == "cn":
		a.Service = "microsoft365-china"
	}
	if a.ClientID == "" {
		a.left("the client id", "DavMail uses its own program's here")
	}
	if uri := get("oauth.redirectUri"); uri != "" {
		a.left("davmail.oauth.redirectUri", "Postern waits for the browser at http://localhost with any free port: the app registration must allow that")
	}
	found := &Settings{Accounts: davMailAccounts(a, values)}
	for _, l := range []struct{ key, listen string }{{"imapPort", "imap"}, {"smtpPort", "smtp"}, {"popPort", "pop3"}} {
		if port, err := strconv.Atoi(get(l.key)); err == nil && port > 0 {
			found.Listen = append(found.Listen, Pair{l.listen, "127.0.0.1:" + strconv.Itoa(port)})
		}
	}
	for _, l := range []struct{ key, what string }{{"caldavPort", "calendars"}, {"ldapPort", "address books"}} {
		if get(l.key) != "" {
			found.Left = append(found.Left, "davmail."+l.key+": Postern carries mail, no "+l.what)
		}
	}
	if get("ssl.keystoreFile") != "" {
		found.Left = append(found.Left, "davmail.ssl.keystoreFile: Postern takes PEM files (listen.tls_cert, listen.tls_key); openssl pkcs12 makes them of a keystore")
	}
	if strings.EqualFold(get("enableProxy"), "true") {
		found.Left = append(found.Left, "davmail.proxyHost: Postern follows HTTPS_PROXY")
	}
	return found, nil
}

// davMailAccounts are those with a stored token; the settings name no others.
func davMailAccounts(common Account, values map[string]string) []Account {
	var emails []string
	for key := range values {
		name, ok := strings.CutPrefix(key, "davmail.oauth.")
		if email, stored := strings.CutSuffix(name, ".refreshToken"); ok && stored && strings.Contains(email, "@") {
			emails = append(emails, strings.ToLower(email))
		}
	}
	if len(emails) == 0 {
		return []Account{common}
	}
	slices.Sort(emails)
	var all []Account
	for _, email := range emails {
		a := common
		a.Email = email
		a.Left = append(slices.Clone(common.Left), "the refresh token: it is for Exchange Web Services or Graph and opens no IMAP: sign in once more")
		all = append(all, a)
	}
	return all
}

// readProperties reads a Java properties file (java.util.Properties.load).
func readProperties(text string) map[string]string {
	values := map[string]string{}
	whole := ""
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t\f")
		if whole == "" && (line == "" || line[0] == '#' || line[0] == '!') {
			continue
		}
		whole += line
		if trimmed := strings.TrimRight(whole, `\`); (len(whole)-len(trimmed))%2 == 1 {
			whole = whole[:len(whole)-1]
			continue
		}
		key, value := splitProperty(whole)
		values[key] = value
		whole = ""
	}
	return values
}

func splitProperty(line string) (key, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	value = strings.TrimLeft(line[end:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return unescapeProperty(line[:end]), strings.TrimSpace(unescapeProperty(value))
}

func unescapeProperty(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't', 'n', 'r', 'f':
			b.WriteByte(' ')
		case 'u':
			if n, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+5, len(s))], 16, 16); err == nil {
				b.WriteString(string(utf16.Decode([]uint16{uint16(n)})))
				i += 4
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
