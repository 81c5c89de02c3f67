package main

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/config"
)

// tickets counts the TLS session tickets that a client is given.
type tickets struct{ n int }

func (*tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (c *tickets) Put(string, *tls.ClientSessionState)      { c.n++ }

// Clients that read and write in two threads get nothing that they have not asked for.
func TestNoTicketsForClients(t *testing.T) {
	cert, key := testCertificate(t, time.Now().Add(time.Hour))
	dir := t.TempDir()
	l := config.Listen{TLSCert: filepath.Join(dir, "cert.pem"), TLSKey: filepath.Join(dir, "key.pem")}
	for path, content := range map[string][]byte{l.TLSCert: cert, l.TLSKey: key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server, err := localTLS(&config.Config{Listen: l})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		near, far := net.Pipe()
		go func() {
			c := tls.Server(far, server)
			io.WriteString(c, "* OK\r\n")
			c.Close()
		}()
		var got tickets
		client := tls.Client(near, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, ClientSessionCache: &got})
		if said, err := io.ReadAll(client); string(said) != "* OK\r\n" || err != nil {
			t.Fatalf("%q, %v", said, err)
		}
		if got.n != 0 {
			t.Errorf("version %x: %d tickets", version, got.n)
		}
	}
}
