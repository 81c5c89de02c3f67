package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// check adds everything that is wrong with the values. builtIn are the names of the built-in providers.
func (c *Config) check(p *problems, builtIn []string) {
	c.Listen.check(p)
	c.Store.check(p)
	c.Limits.check(p)
	oneOf(p, toml.Key{"log", "level"}, c.Log.Level, "debug", "info", "warn", "error")
	oneOf(p, toml.Key{"log", "format"}, c.Log.Format, "text", "json")
	for _, name := range sortedKeys(c.Provider) {
		c.Provider[name].check(p, name, slices.Contains(builtIn, name))
	}
	known := append(slices.Collect(maps.Keys(c.Provider)), builtIn...)
	for _, email := range sortedKeys(c.Account) {
		a := c.Account[email]
		a.check(p, email, known)
		a.checkFlow(p, email, c.Provider[a.Provider], slices.Contains(builtIn, a.Provider))
	}
}

func (s Store) check(p *problems) {
	if s.URL == "" {
		return
	}
	// The text may hold a password and is not repeated.
	if u, err := url.Parse(s.URL); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		p.add(toml.Key{"store", "url"}, `want "" or an address that begins with postgres://`)
	}
}

func (l Limits) check(p *problems) {
	for _, k := range []struct {
		key   string
		value int
	}{{"sessions", l.Sessions}, {"sessions_per_mailbox", l.SessionsPerMailbox}, {"pre_login", l.PreLogin}} {
		if k.value < 1 || k.value > 1_000_000 {
			p.add(toml.Key{"limits", k.key}, "want a number from 1 to 1000000, got %d", k.value)
		}
	}
	for _, k := range []struct {
		key   string
		value Duration
	}{{"login_timeout", l.LoginTimeout}, {"upstream_timeout", l.UpstreamTimeout}} {
		if v := k.value; v < minTimeout || v > maxTimeout {
			p.add(toml.Key{"limits", k.key}, "want a duration from %v to %v, got %v", minTimeout, maxTimeout, v)
		}
	}
}

// Less than a second fails on good networks, more than an hour is no limit.
const (
	minTimeout = Duration(1e9)
	maxTimeout = 3600 * minTimeout
)

func (v Provider) check(p *problems, name string, builtIn bool) {
	at := toml.Key{"provider", name}
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		p.add(at, "want a name of the letters a-z, digits, - and _")
	}
	for _, k := range []struct{ key, value string }{
		{"authorize_url", v.AuthorizeURL}, {"token_url", v.TokenURL}, {"device_url", v.DeviceURL}, {"revoke_url", v.RevokeURL},
	} {
		if k.value == "" {
			continue
		}
		if err := checkURL(k.value); err != nil {
			p.add(sub(at, k.key), "%v", err)
		}
	}
	for _, k := range []struct{ key, value string }{{"imap", v.IMAP}, {"smtp", v.SMTP}, {"pop3", v.POP3}} {
		if k.value == "" {
			continue
		}
		if host, port, err := splitAddress(k.value); err != nil {
			p.add(sub(at, k.key), "%v", err)
		} else if host == "" || port == "0" {
			p.add(sub(at, k.key), `want the server's host:port such as "imap.example.com:993", got %q`, k.value)
		}
	}
	checkText(p, sub(at, "tenant"), v.Tenant)
	for _, scope := range v.Scopes {
		// RFC 6749 section 3.3
		forbidden := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
		if scope == "" || strings.ContainsFunc(scope, forbidden) {
			p.add(sub(at, "scopes"), "%q is not one scope: want one text for each", scope)
		}
	}
	checkPEM(p, sub(at, "ca_file"), v.CAFile)
	if builtIn {
		return
	}
	if v.TokenURL == "" {
		p.add(sub(at, "token_url"), "missing: %q is not a built-in provider, so its table has to say", name)
	}
	if v.IMAP == "" && v.SMTP == "" && v.POP3 == "" {
		p.add(sub(at, "imap"), "missing: the table needs at least one of imap, smtp and pop3")
	}
}

// checkURL takes https, and http only on this machine (RFC 6749 sections 3.1 and 3.2).
func checkURL(text string) error {
	filled := strings.ReplaceAll(text, "{tenant}", "common")
	u, err := url.Parse(filled)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(filled, " {}") {
		return fmt.Errorf(`want an address such as "https://login.example.com/oauth2/token", got %q`, text)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && Loopback(u.Hostname())) {
		return fmt.Errorf("want an address that begins with https:// (http:// only on this machine), got %q", text)
	}
	return nil
}

// Loopback reports whether only this machine reaches host.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// splitAddress takes host:port apart and checks the port.
func splitAddress(text string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(text)
	if err != nil {
		return "", "", fmt.Errorf(`want host:port such as "127.0.0.1:1143", got %q`, text)
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/@"\`, r) }) {
		return "", "", fmt.Errorf("%q is not a host", host)
	}
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return "", "", fmt.Errorf("%q is not an IPv6 address", host)
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Errorf("%q is not a port: want a number from 0 to 65535", port)
	}
	return host, port, nil
}

func oneOf(p *problems, at toml.Key, value string, known ...string) {
	if !slices.Contains(known, value) {
		p.add(at, "want one of %s, got %q%s", strings.Join(known, ", "), value, suggestion(value, known))
	}
}

// checkText refuses what could not be sent in one line of a protocol.
func checkText(p *problems, at toml.Key, value string) {
	if strings.ContainsFunc(value, isControl) {
		p.add(at, "control characters are not allowed, got %q", value)
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
