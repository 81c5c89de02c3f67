package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// certificate is one self-signed certificate for 127.0.0.1 that every server here shows and every client
// trusts, in a form that fits through a pipe.
type certificate struct {
	DER []byte
	Key []byte // SEC 1
}

func newCertificate() (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	var c certificate
	if c.DER, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key); err != nil {
		return c, err
	}
	c.Key, err = x509.MarshalECPrivateKey(key)
	return c, err
}

func (c certificate) server() (*tls.Config, error) {
	key, err := x509.ParseECPrivateKey(c.Key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{c.DER}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13,
	}, nil
}

func (c certificate) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	if cert, err := x509.ParseCertificate(c.DER); err == nil {
		pool.AddCert(cert)
	}
	return pool
}

// client is the configuration of somebody who connects now and then: no session is resumed.
func (c certificate) client() *tls.Config {
	return &tls.Config{RootCAs: c.pool(), ServerName: "127.0.0.1"}
}
