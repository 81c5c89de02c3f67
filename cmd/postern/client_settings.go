package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"postern/auth"
	"postern/internal/config"
	"postern/internal/control"
	"postern/proxy"
)

// clientSettings is what the templates in clients/ are filled with.
type clientSettings struct {
	Client           string
	Email            string // the account, and the local user name
	Mailbox          string // the user at the provider
	Token            bool   // straight to the provider, with tokens from postern token
	Tunnel           bool   // by postern connect, with neither listener nor password
	IMAP, SMTP, POP3 mailServer

	program []string // how this program is called
}

// mailServer is where a client connects.
type mailServer struct {
	Host, Port    string
	TLS, StartTLS bool
	CAFile        string // what the client has to trust besides the system's authorities
}

// On says whether there is such a server.
func (m mailServer) On() bool { return m.Host != "" }

// Plain says whether the connection stays without TLS.
func (m mailServer) Plain() bool { return !m.TLS && !m.StartTLS }

// Words says in words how the connection is protected.
func (m mailServer) Words() string {
	switch {
	case m.TLS:
		return "SSL/TLS"
	case m.StartTLS:
		return "STARTTLS"
	}
	return "none"
}

// URL is the server's, without a user.
func (m mailServer) URL(scheme string) string {
	if m.TLS {
		scheme += "s"
	}
	return scheme + "://" + net.JoinHostPort(m.Host, m.Port)
}

// URLFor has the user, with what stands before it escaped.
func (m mailServer) URLFor(scheme, user string) string {
	return strings.Replace(m.URL(scheme), "://", "://"+url.QueryEscape(user)+"@", 1)
}

// AercURL follows aerc-imap(5) and aerc-smtp(5) of version 0.15 and later.
func (m mailServer) AercURL(scheme string, s clientSettings) string {
	kind, user := "", url.QueryEscape(s.User())
	switch {
	case s.Token:
		kind = "+xoauth2"
	case m.Plain():
		kind, user = "+insecure", user+":PASSWORD"
	default:
		user += ":PASSWORD"
	}
	return strings.Replace(m.URL(scheme), "://", kind+"://"+user+"@", 1)
}

// User is what the client logs in as.
func (s clientSettings) User() string {
	if s.Token {
		return s.Mailbox
	}
	return s.Email
}

// From is the address that the client writes mail with.
func (s clientSettings) From() string {
	if strings.Contains(s.Mailbox, "@") {
		return s.Mailbox
	}
	return s.Email
}

// Domain is the part of the address behind the @.
func (s clientSettings) Domain() string { return s.Email[strings.LastIndexByte(s.Email, '@')+1:] }

// Section names the account in files with several: ann@outlook.com is ann-outlook.
func (s clientSettings) Section() string {
	first, _, _ := strings.Cut(s.Domain(), ".")
	local := strings.TrimSuffix(s.Email, "@"+s.Domain())
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, local+"-"+first)
}

// UUID is the same for an account each time, so that a profile that is installed again replaces itself
// (RFC 9562 section 5.8).
func (s clientSettings) UUID(of string) string {
	b := sha256.Sum256([]byte("postern " + of + " " + s.Email))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16]))
}

// NoSMTP says how to send when that is off. It stands in comments too, of which XML's end at two dashes.
func (s clientSettings) NoSMTP() string {
	if s.Token {
		return "the provider has no SMTP server"
	}
	return "to send as well, run postern setup again: it asks"
}

// TokenWords is the command that prints an access token.
func (s clientSettings) TokenWords() []string {
	return append(append([]string(nil), s.program...), "token", s.Email)
}

// TokenCommand is TokenWords for a shell.
func (s clientSettings) TokenCommand() string { return shellLine(s.TokenWords()) }

// ProofCommand prints the whole answer to AUTHENTICATE XOAUTH2.
func (s clientSettings) ProofCommand() string {
	return shellLine(append(s.TokenWords(), "--format", "xoauth2"))
}

// TunnelCommand is a logged-in session, for a shell.
func (s clientSettings) TunnelCommand() string {
	return shellLine(append(append([]string(nil), s.program...), "connect", s.Email))
}

func (s clientSettings) server(key string) mailServer {
	switch key {
	case "imap":
		return s.IMAP
	case "smtp":
		return s.SMTP
	}
	return s.POP3
}

// useProvider leads the client to the provider's own servers. caFile is the configuration's.
func (s *clientSettings) useProvider(p auth.Provider, caFile string) error {
	for _, m := range []struct {
		to       *mailServer
		address  string
		protocol proxy.Protocol
	}{{&s.IMAP, p.IMAP, proxy.IMAP()}, {&s.SMTP, p.SMTP, proxy.SMTP()}, {&s.POP3, p.POP3, proxy.POP3()}} {
		if m.address == "" {
			continue
		}
		host, port, err := net.SplitHostPort(m.address)
		if err != nil {
			return configError(fmt.Errorf("provider %s: %w", p.Name, err), "addresses are host:port")
		}
		atOnce := proxy.BeginsWithTLS(m.protocol, m.address)
		*m.to = mailServer{Host: host, Port: port, TLS: atOnce, StartTLS: !atOnce, CAFile: caFile}
	}
	return nil
}

// useListeners leads the client to the addresses of the configuration, or to those of the running daemon
// where the configuration leaves the port open.
func (a *app) useListeners(ctx context.Context, s *clientSettings) error {
	l := a.cfg.Listen
	addresses := map[string]string{"imap": l.IMAP, "imaps": l.IMAPS, "smtp": l.SMTP, "pop3": l.POP3}
	for key, address := range addresses {
		if !strings.HasSuffix(address, ":0") {
			continue
		}
		st, err := control.NewClient(a.stateDir()).Status(ctx)
		if err != nil {
			return configError(fmt.Errorf("listen.%s: port 0 is another port at each start: %w", key, err),
				"give it a fixed port, or ask while postern serve runs")
		}
		for _, running := range st.Listeners {
			if running.Name == key {
				addresses[key] = running.Address
			}
		}
	}
	if a.o.overTLS && !l.TLS() {
		return configError(errors.New("there is no certificate for clients"), "set listen.tls_cert and listen.tls_key, and listen.imaps if the client wants TLS from the first byte")
	}
	s.useAddresses(addresses, l, a.o.overTLS)
	return nil
}

// useAddresses takes the listeners that there are, by their keys in the configuration.
func (s *clientSettings) useAddresses(addresses map[string]string, l config.Listen, overTLS bool) {
	implicit := addresses["imaps"] != "" && (addresses["imap"] == "" || overTLS)
	if implicit {
		addresses["imap"] = addresses["imaps"]
	}
	s.IMAP = localServer(addresses["imap"], l, implicit, overTLS)
	s.SMTP = localServer(addresses["smtp"], l, false, overTLS)
	s.POP3 = localServer(addresses["pop3"], l, false, overTLS)
}

// localServer is a listener as a client on this machine reaches it. Where nobody else can listen in, TLS is
// left out unless it is wanted: it would only be one more certificate to trust.
func localServer(address string, l config.Listen, implicit, wantTLS bool) mailServer {
	host, port, err := net.SplitHostPort(address)
	if address == "" || err != nil {
		return mailServer{}
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	ip, err = netip.ParseAddr(host)
	here := host == "localhost" || err == nil && ip.IsLoopback()
	m := mailServer{Host: host, Port: port, TLS: implicit}
	m.StartTLS = !implicit && l.TLS() && (wantTLS || !here && !l.AllowInsecure)
	if m.Plain() {
		return m
	}
	own, names := certificateFacts(l.TLSCert)
	if own {
		m.CAFile = l.TLSCert
	}
	// Some clients compare the certificate with a name only, never with an address (fetchmail 6.4).
	if here && slices.Contains(names, "localhost") {
		m.Host = "localhost"
	}
	return m
}

// certificateFacts says whether a certificate file ends in a certificate that vouches for itself: then the
// system does not know it, and the client has to be told; and which names the first certificate has.
func certificateFacts(file string) (own bool, names []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return false, nil
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return false, nil
		}
		if names == nil {
			names = append([]string{}, cert.DNSNames...)
		}
		own = bytes.Equal(cert.RawIssuer, cert.RawSubject)
	}
	return own, names
}

// commandLine is how another program calls this one: by name where its PATH is likely to find it, with the
// configuration and the state that were named here.
func (a *app) commandLine() []string {
	words := []string{"postern"}
	if self, err := os.Executable(); err == nil && !isOnPath(self) {
		words[0] = self
	}
	if path := cmp.Or(a.o.global.config, os.Getenv("POSTERN_CONFIG")); path != "" {
		words = append(words, "--config", absolute(path))
	}
	if path := cmp.Or(a.o.global.state, os.Getenv("POSTERN_STATE")); path != "" {
		words = append(words, "--state", absolute(path))
	}
	return words
}

func isOnPath(self string) bool {
	found, err := exec.LookPath("postern")
	if err != nil {
		return false
	}
	a, errA := filepath.EvalSymlinks(found)
	b, errB := filepath.EvalSymlinks(self)
	return errA == nil && errB == nil && a == b
}
