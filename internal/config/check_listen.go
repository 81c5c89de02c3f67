package config

import (
	"net/netip"
	"strings"

	"github.com/BurntSushi/toml"
)

// listener is one address that is set.
type listener struct{ key, host, port string }

func (l Listen) check(p *problems) {
	var seen []listener
	for _, k := range []struct{ key, value string }{
		{"imap", l.IMAP}, {"imaps", l.IMAPS}, {"smtp", l.SMTP}, {"pop3", l.POP3}, {"web", l.Web},
	} {
		if k.value == "" {
			continue
		}
		at := toml.Key{"listen", k.key}
		host, port, err := splitAddress(k.value)
		if err != nil {
			p.add(at, "%v", err)
			continue
		}
		this := listener{k.key, host, port}
		for _, other := range seen {
			if this.overlaps(other) {
				p.add(at, "%q is the address of listen.%s too: give each a port of its own", k.value, other.key)
			}
		}
		seen = append(seen, this)
		l.checkReach(p, at, this, k.value)
	}
	l.checkTLS(p)
}

// checkReach holds back listeners that other machines could reach without protection.
func (l Listen) checkReach(p *problems, at toml.Key, this listener, value string) {
	switch {
	case this.key == "imaps" || Loopback(this.host):
	case this.key == "web":
		p.add(at, "%q can be reached from other machines; want an address of this one, such as \"127.0.0.1:%s\"", value, this.port)
	case !l.TLS() && !l.AllowInsecure:
		p.add(at, "%q can be reached from other machines, and passwords would cross the network in clear: "+
			"set listen.tls_cert and listen.tls_key, or listen on 127.0.0.1, or set listen.allow_insecure = true", value)
	}
}

func (l Listen) checkTLS(p *problems) {
	cert, key := toml.Key{"listen", "tls_cert"}, toml.Key{"listen", "tls_key"}
	switch {
	case l.TLSCert == "" && l.TLSKey != "":
		p.add(cert, "missing: listen.tls_key is set, and one is of no use without the other")
	case l.TLSCert != "" && l.TLSKey == "":
		p.add(key, "missing: listen.tls_cert is set, and one is of no use without the other")
	case l.TLS():
		checkPair(p, cert, l.TLSCert, key, l.TLSKey)
	}
	if l.IMAPS != "" && !l.TLS() {
		p.add(toml.Key{"listen", "imaps"}, "needs listen.tls_cert and listen.tls_key")
	}
}

// overlaps reports whether the system would refuse to open both. Port 0 is a free one each time.
func (a listener) overlaps(b listener) bool {
	if a.port != b.port || a.port == "0" {
		return false
	}
	x, y := a.canonical(), b.canonical()
	if x == y {
		return true
	}
	xIP, xErr := netip.ParseAddr(x)
	yIP, yErr := netip.ParseAddr(y)
	if xErr != nil || yErr != nil {
		return x == "::" || y == "::"
	}
	// The IPv6 wildcard takes IPv4 too; the IPv4 one does not take IPv6.
	covers := func(wild, other netip.Addr) bool { return wild.IsUnspecified() && (wild.Is6() || other.Is4()) }
	return covers(xIP, yIP) || covers(yIP, xIP)
}

// canonical is the host in one form: names in lower case, localhost as its address, nothing as all addresses.
func (a listener) canonical() string {
	switch host := strings.ToLower(a.host); host {
	case "":
		return "::"
	case "localhost":
		return "127.0.0.1"
	default:
		if ip, err := netip.ParseAddr(host); err == nil {
			return ip.Unmap().String()
		}
		return host
	}
}
