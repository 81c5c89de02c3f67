package emulator

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// assertionHeader is the JOSE header of a client assertion. Microsoft's page asks for PS256 with x5t#S256; RS256
// with x5t, its older form, is still taken (read 2026-11).
type assertionHeader struct {
	Algorithm  string `json:"alg"`
	Type       string `json:"typ"`
	Thumbprint string `json:"x5t"`
	SHA256     string `json:"x5t#S256"`
}

type assertionClaims struct {
	Audience  string  `json:"aud"`
	Issuer    string  `json:"iss"`
	Subject   string  `json:"sub"`
	ID        string  `json:"jti"`
	NotBefore float64 `json:"nbf"`
	Expires   float64 `json:"exp"`
}

// checkAssertionLocked is private_key_jwt, RFC 7523 section 3. audience is the URL of the request.
func (id *Identity) checkAssertionLocked(assertion string, client *Client, audience string) *refusal {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return refuse(50012, "The client assertion is not a signed JWT.")
	}
	var head assertionHeader
	var claims assertionClaims
	if !decodePart(parts[0], &head) || !decodePart(parts[1], &claims) {
		return refuse(50012, "The client assertion can not be decoded.")
	}
	cert := certificateOf(client.Certificates, head)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if cert == nil || err != nil || !verify(cert, head.Algorithm, parts[0]+"."+parts[1], signature) {
		return refuse(700027)
	}
	now := time.Now()
	const skew = 5 * time.Minute
	expires := time.Unix(int64(claims.Expires), 0)
	switch {
	case claims.Audience != audience && claims.Audience != id.sameHost(audience):
		return refuse(50012, "The audience of the client assertion is not the token endpoint.")
	case claims.Issuer != client.ID || claims.Subject != client.ID:
		return refuse(50012, "The issuer and the subject of the client assertion have to be the client id.")
	case claims.Expires == 0 || now.After(expires) || expires.Sub(now) > 24*time.Hour,
		claims.NotBefore != 0 && time.Unix(int64(claims.NotBefore), 0).After(now.Add(skew)):
		return refuse(700024)
	case claims.ID == "":
		return refuse(50012, "The client assertion has no jti.")
	}
	for jti, until := range id.assertions {
		if now.After(until) {
			delete(id.assertions, jti)
		}
	}
	if _, seen := id.assertions[claims.ID]; seen {
		return refuse(50012, "The client assertion was already used.")
	}
	id.assertions[claims.ID] = expires
	return nil
}

// sameHost is the same URL under the base address: a client may have reached it as localhost.
func (id *Identity) sameHost(audience string) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(audience, "https://"), "/")
	return id.base + "/" + path
}

func decodePart(part string, into any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, into) == nil
}

// certificateOf finds the registered certificate by thumbprint, in either base64 alphabet: Microsoft's own Go
// library sends the standard one.
func certificateOf(registered []*x509.Certificate, head assertionHeader) *x509.Certificate {
	i := slices.IndexFunc(registered, func(cert *x509.Certificate) bool {
		if head.SHA256 != "" {
			sum := sha256.Sum256(cert.Raw)
			return sameThumbprint(head.SHA256, sum[:])
		}
		sum := sha1.Sum(cert.Raw)
		return sameThumbprint(head.Thumbprint, sum[:])
	})
	if i < 0 {
		return nil
	}
	return registered[i]
}

func sameThumbprint(encoded string, sum []byte) bool {
	plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(encoded, "="))
	got, err := base64.RawURLEncoding.DecodeString(plain)
	return err == nil && bytes.Equal(got, sum)
}

func verify(cert *x509.Certificate, algorithm, signed string, signature []byte) bool {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return false
	}
	sum := sha256.Sum256([]byte(signed))
	switch algorithm {
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, nil) == nil
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}
