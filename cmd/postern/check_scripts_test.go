package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/emulator"
)

const appID = "00000000-0000-4000-8000-0000000000aa"

func cmdApp(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	certPEM, keyPEM := testCertificate(ts, time.Now().AddDate(0, 0, n))
	ts.Check(os.WriteFile(ts.MkAbs("app.pem"), certPEM, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("app.key"), keyPEM, 0o600))
	block, _ := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	ts.Check(err)
	w := worldOf(ts)
	w.apps = append(w.apps, emulator.Client{ID: appID, Certificates: []*x509.Certificate{cert}})
}

// checker is what *testing.T and *testscript.TestScript have in common here.
type checker interface{ Fatalf(string, ...any) }

// testCertificate is a self-signed one for localhost.
func testCertificate(t checker, until time.Time) (certPEM, keyPEM []byte) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatalf("%v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: until.AddDate(-1, 0, 0), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatalf("%v", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

var failLine = regexp.MustCompile(`(?m)^fail  (.*)$`)

func cmdFirstFail(ts *testscript.TestScript, neg bool, args []string) {
	m := failLine.FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil || !strings.HasPrefix(m[1], args[0]+": ") {
		ts.Fatalf("the first fail is %q, want %q", m, args[0])
	}
}
