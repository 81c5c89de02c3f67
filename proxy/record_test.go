package proxy

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/chacha20poly1305"
)

// heldConn keeps what is written to it while it is held.
type heldConn struct {
	net.Conn
	held bool
	kept bytes.Buffer
}

func (c *heldConn) Write(p []byte) (int, error) {
	if c.held {
		return c.kept.Write(p)
	}
	return c.Conn.Write(p)
}

// A message does not wait for what comes behind a new key that has come with it.
func TestMessageBeforeANewKey(t *testing.T) {
	cert, _ := testCertificate()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		var keys bytes.Buffer
		below := &heldConn{Conn: theirs}
		server := tls.Server(below, &tls.Config{
			Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, KeyLogWriter: &keys,
		})
		client := tls.Client(newRecordConn(ours), &tls.Config{InsecureSkipVerify: true})
		shaken := make(chan error, 1)
		go func() { shaken <- server.Handshake() }()
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-shaken; err != nil {
			t.Fatal(err)
		}
		var got string
		over := make(chan struct{})
		go func() {
			defer close(over)
			if b, err := newLeg(client).read(); err == nil {
				got = string(b.bytes())
				b.release()
			}
		}()
		below.held = true
		const message = "a OK done\r\n"
		server.Write([]byte(message))
		theirs.Write(append(below.kept.Bytes(), newKey(t, server, keys.String())...))
		synctest.Wait()
		if got != message {
			t.Errorf("got %q", got)
		}
		ours.Close()
		<-over
	})
}

// newKey is the record in which a server that has sent one record says that the next come with a new key
// (RFC 8446 section 5.2).
func newKey(t *testing.T, server *tls.Conn, keyLog string) []byte {
	t.Helper()
	var secret []byte
	for lines := bufio.NewScanner(strings.NewReader(keyLog)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); fields[0] == "SERVER_TRAFFIC_SECRET_0" {
			secret, _ = hex.DecodeString(fields[2])
		}
	}
	derive := func(label string, length int) []byte { // section 7.1
		label = "tls13 " + label
		info := string(binary.BigEndian.AppendUint16(nil, uint16(length))) + string(rune(len(label))) + label + "\x00"
		b, err := hkdf.Expand(sha256.New, secret, info, length)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var aead cipher.AEAD
	var err error
	switch suite := server.ConnectionState().CipherSuite; suite {
	case tls.TLS_AES_128_GCM_SHA256:
		var block cipher.Block
		if block, err = aes.NewCipher(derive("key", 16)); err == nil {
			aead, err = cipher.NewGCM(block)
		}
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		aead, err = chacha20poly1305.New(derive("key", 32))
	default:
		t.Fatalf("the cipher suite %x has another hash", suite)
	}
	if err != nil {
		t.Fatal(err)
	}
	nonce := derive("iv", 12)
	nonce[11] ^= 1 // the second record
	const keyUpdate, handshake = "\x18\x00\x00\x01\x00", "\x16"
	header := []byte{23, 3, 3, 0, byte(len(keyUpdate+handshake) + aead.Overhead())}
	return aead.Seal(header, nonce, []byte(keyUpdate+handshake), header)
}
