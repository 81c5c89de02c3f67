package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"net/url"
	"runtime"
	"strings"
	"time"

	"postern/auth"
)

// patience is for one server to answer in.
const patience = 15 * time.Second

// reached is how a server answered.
type reached struct {
	err  error
	tls  *tls.ConnectionState // nil: none is used
	skew time.Duration        // how far the server's clock is ahead of ours
	told bool                 // the server told its time
}

// signInServers asks the hosts that an account signs in at.
func (c *checkup) signInServers(ctx context.Context, a auth.Account) bool {
	targets := []string{a.Provider.TokenURL}
	switch a.Flow {
	case auth.FlowBrowser:
		targets = append(targets, a.Provider.AuthorizeURL)
	case auth.FlowDevice:
		targets = append(targets, a.Provider.DeviceURL)
	}
	seen := map[string]bool{}
	for _, target := range targets {
		u, err := url.Parse(endpointOf(a, target))
		if err != nil || target == "" || seen[u.Host] {
			continue
		}
		seen[u.Host] = true
		r := c.once(u.Host, a, func() reached { return askHTTP(ctx, u, a.Provider.RootCAs) })
		if !c.about(a, "sign-in server").reached(u.Host, "provider."+a.Provider.Name, r) {
			return false
		}
	}
	return true
}

func endpointOf(a auth.Account, target string) string {
	return strings.ReplaceAll(target, "{tenant}", a.Tenant)
}

// once keeps what a server said: many accounts share one.
func (c *checkup) once(address string, a auth.Account, ask func() reached) reached {
	key := address + " " + a.Provider.Name
	r, ok := c.reached[key]
	if !ok {
		r = ask()
		c.reached[key] = r
	}
	return r
}

// reached says how a server answered.
func (t topic) reached(address, where string, r reached) bool {
	switch {
	case r.err != nil:
		return t.unreached(address, where, r.err)
	case r.tls == nil:
		return t.ok("%s answers", address)
	}
	cert := r.tls.PeerCertificates[0]
	return t.ok("%s answers; %s, with a certificate of %s until %s", address, tls.VersionName(r.tls.Version),
		issuer(cert), cert.NotAfter.Format(time.DateOnly))
}

// askHTTP takes any answer for one: what the server thinks of the question does not matter.
func askHTTP(ctx context.Context, u *url.URL, roots *x509.CertPool) reached {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := &http.Client{
		// As auth's own, so that a web proxy is used where it is used there.
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return reached{err: err}
	}
	req.Header.Set("User-Agent", "Postern")
	before := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return reached{err: err}
	}
	res.Body.Close()
	r := reached{tls: res.TLS}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		r.skew, r.told = at.Sub(before.Add(time.Since(before)/2)), true
	}
	return r
}

// askMail makes the connection that a session would make, without logging in.
func askMail(ctx context.Context, address string, roots *x509.CertPool, startTLS bool) reached {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return reached{err: err}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return reached{err: err}
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	config := &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
	if startTLS {
		return askSMTP(conn, config)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return reached{err: err}
	}
	state := secure.ConnectionState()
	return reached{tls: &state}
}

func askSMTP(conn net.Conn, config *tls.Config) reached {
	client, err := smtp.NewClient(conn, config.ServerName)
	if err == nil {
		err = client.StartTLS(config)
	}
	if err != nil {
		return reached{err: err}
	}
	state, _ := client.TLSConnectionState()
	return reached{tls: &state}
}

// unreached names the step that went wrong, of finding the address, connecting, and proving the name. where is
// the table of the configuration that names the server.
func (t topic) unreached(address, where string, err error) bool {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return t.untrusted(address, where, e)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return t.fail(exitFailed, "check its spelling in "+where+", and this machine's DNS", "the name %s can not be looked up: %s", e.Name, e.Err)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return t.fail(exitFailed, "let the firewall pass it, or check the address in "+where, "%s does not answer within %v", address, patience)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return t.fail(exitConfig, "check the port in "+where+": "+wantsTLS, "%s does not speak TLS", address)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // its other parts say GET and the address
	}
	reason := err
	if e, ok := errors.AsType[*net.OpError](err); ok {
		reason = e.Err
	}
	return t.fail(exitFailed, "check the network, and the address in "+where, "can not connect to %s: %v", address, reason)
}

const wantsTLS = "imap and pop3 are ports with TLS from the first byte (993, 995), smtp one with STARTTLS (587) or TLS (465)"

func (t topic) untrusted(address, where string, e *tls.CertificateVerificationError) bool {
	by := ""
	if len(e.UnverifiedCertificates) > 0 {
		by = " (issued by " + issuer(e.UnverifiedCertificates[0]) + ")"
	}
	code, cure := exitFailed, "somebody else may answer in its place: a hotel network, a virus scanner, or worse"
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e.Err); ok {
		code, cure = exitConfig, fmt.Sprintf("if the issuer is your own, set ca_file in %s to its certificate; otherwise %s", where, cure)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](e.Err); ok && invalid.Reason == x509.Expired {
		cure = "check this machine's clock; if it is right, the server's administrator has to act"
	}
	return t.fail(code, cure, "the certificate of %s is not trusted: %v%s", address, e.Err, by)
}

func issuer(cert *x509.Certificate) string {
	name := cert.Issuer
	if len(name.Organization) > 0 {
		return name.Organization[0]
	}
	return cmp.Or(name.CommonName, "nobody")
}

// mostSkew is how wrong a clock may be before tokens count as expired when they are not, or the reverse.
const mostSkew = 2 * time.Minute

// clock compares this machine's clock with the token endpoint's.
func (c *checkup) clock(a auth.Account) {
	u, err := url.Parse(endpointOf(a, a.Provider.TokenURL))
	if err != nil {
		return
	}
	t := c.about(a, "clock")
	switch r := c.reached[u.Host+" "+a.Provider.Name]; {
	case !r.told:
		t.unknown(u.Host + " does not tell its time")
	case r.skew.Abs() > mostSkew:
		direction := "behind"
		if r.skew < 0 {
			direction = "ahead of"
		}
		t.warn(setClock(), "this machine's clock is %v %s that of %s", r.skew.Abs().Round(time.Second), direction, u.Host)
	default:
		t.ok("no more than %v away from that of %s", max(r.skew.Abs().Round(time.Second), time.Second), u.Host)
	}
}

func setClock() string {
	switch runtime.GOOS {
	case "linux":
		return "timedatectl set-ntp true"
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	case "windows":
		return "w32tm /resync"
	}
	return "set the clock"
}
