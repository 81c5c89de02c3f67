package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"postern/auth"
)

// validity says what is wrong with a certificate's dates. With levelOK nothing is, and nothing was said.
func (t topic) validity(what, cure string, cert *x509.Certificate, now time.Time) level {
	until := cert.NotAfter.Format(time.DateOnly)
	switch left := cert.NotAfter.Sub(now); {
	case left < 0:
		t.fail(exitConfig, cure, "%s expired on %s", what, until)
		return levelFail
	case now.Before(cert.NotBefore):
		t.fail(exitConfig, "check this machine's clock", "%s is not valid before %s", what, cert.NotBefore.Format(time.DateOnly))
		return levelFail
	case left < soon:
		t.warn(cure, "%s expires on %s, in %s", what, until, days(left))
		return levelWarn
	}
	return levelOK
}

func days(d time.Duration) string {
	switch n := int(d.Hours() / 24); n {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}

func namesOf(cert *x509.Certificate) []string {
	names := append([]string{}, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = append(names, cert.Subject.CommonName)
	}
	return names
}

// proof looks at what the app proves itself with: a secret or a certificate.
func (c *checkup) proof(a auth.Account) bool {
	switch {
	case a.ClientSecretFile != "":
		return c.about(a, "client secret").clientSecret(a.ClientSecretFile, time.Now())
	case a.ClientCertificate != "":
		return c.about(a, "client key").secretFile(a.ClientKey) && c.about(a, "client certificate").clientCertificate(a, time.Now())
	}
	return true
}

// longestSecret is how long a client secret of Entra lives at most.
const longestSecret = 2 * 365 * 24 * time.Hour

// clientSecret judges a secret by the age of its file: no provider tells when one ends until it has.
func (t topic) clientSecret(path string, now time.Time) bool {
	info, err := os.Stat(path)
	if err != nil {
		return t.fail(exitConfig, "client_secret_file is a file with the secret and nothing else", "%v", err)
	}
	if !t.secretFile(path) {
		return false
	}
	since := info.ModTime().Format(time.DateOnly)
	if now.Sub(info.ModTime()) > longestSecret-soon {
		return t.warn("make a new one in the app registration and put it into "+path,
			"the file is of %s, and a secret of Microsoft lives two years at most", since)
	}
	return t.ok("the file is of %s; when the secret ends only the app registration tells", since)
}

func (t topic) clientCertificate(a auth.Account, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(a.ClientCertificate, a.ClientKey)
	if err != nil {
		return t.fail(exitConfig, "client_certificate and client_key are PEM files that belong together", "%v", err)
	}
	cure := "make a new certificate, upload it to the app registration, then replace " + a.ClientCertificate
	switch t.validity("the certificate", cure, pair.Leaf, now) {
	case levelFail:
		return false
	case levelOK:
		t.ok("good until %s", pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return true
}
