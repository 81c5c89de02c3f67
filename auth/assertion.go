package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	assertionLife = 10 * time.Minute
	mostSecret    = 64 << 10 // of a secret, certificate or key file
)

var errNoSecret = errors.New("it does not hold one line of text")

// assertion proves the app with its certificate (RFC 7523 section 3, signed PS256 as RFC 7518 section 3.5 has
// it). Microsoft finds the certificate by x5t#S256 (learn.microsoft.com, "Microsoft identity platform
// application authentication certificate credentials").
func (a Account) assertion(now time.Time) (Secret, error) {
	cert, key, err := a.certificate(now)
	if err != nil {
		return Secret{}, err
	}
	thumbprint := sha256.Sum256(cert)
	header := struct {
		Algorithm  string `json:"alg"`
		Type       string `json:"typ"`
		Thumbprint string `json:"x5t#S256"`
	}{"PS256", "JWT", base64.RawURLEncoding.EncodeToString(thumbprint[:])}
	claims := struct {
		Audience  string `json:"aud"`
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		ID        string `json:"jti"`
		NotBefore int64  `json:"nbf"`
		IssuedAt  int64  `json:"iat"`
		Expires   int64  `json:"exp"`
	}{a.at(a.Provider.TokenURL), a.ClientID, a.ClientID, rand.Text(), now.Unix(), now.Unix(), now.Add(assertionLife).Unix()}

	signed := encodePart(header) + "." + encodePart(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return Secret{}, fmt.Errorf("sign with %s: %w", a.ClientKey, err)
	}
	return NewSecret(signed + "." + base64.RawURLEncoding.EncodeToString(signature)), nil
}

func encodePart(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only our own structs come here
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// certificate loads the certificate (DER) and its key, and checks that they are good now.
func (a Account) certificate(now time.Time) ([]byte, *rsa.PrivateKey, error) {
	certPEM, err := readSmall(a.ClientCertificate)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := readSmall(a.ClientKey)
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("%s with %s: %w", a.ClientCertificate, a.ClientKey, err)
	}
	key, ok := pair.PrivateKey.(*rsa.PrivateKey)
	switch {
	case !ok:
		return nil, nil, fmt.Errorf("%s: it is no RSA key", a.ClientKey)
	case now.After(pair.Leaf.NotAfter):
		return nil, nil, fmt.Errorf("%s: it expired on %s", a.ClientCertificate, pair.Leaf.NotAfter.Format(time.DateOnly))
	case now.Before(pair.Leaf.NotBefore):
		return nil, nil, fmt.Errorf("%s: it is not valid before %s", a.ClientCertificate, pair.Leaf.NotBefore.Format(time.DateOnly))
	}
	return pair.Certificate[0], key, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostSecret+1))
	if err == nil && len(b) > mostSecret {
		err = &os.PathError{Op: "read", Path: path, Err: errors.New("it is too large")}
	}
	return b, err
}
