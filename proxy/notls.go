package proxy

import (
	"crypto/tls"
	"errors"
)

// errTLSOnPlainPort is the most common mistake with a client's settings.
var errTLSOnPlainPort = errors.New("this port does not begin with TLS: set the client's security to none or STARTTLS, or use the TLS port")

// tlsHandshakeRecord is the first byte of a TLS connection (RFC 8446 section 5.1). No protocol of ours begins with it.
const tlsHandshakeRecord = 0x16

// notTLS looks at the first byte from the client, and nothing more.
func (s *session) notTLS(w *wire) error {
	if _, ok := w.conn.(*tls.Conn); ok {
		return nil
	}
	first, err := w.br.Peek(1)
	if err == nil && first[0] == tlsHandshakeRecord {
		return errTLSOnPlainPort
	}
	return nil // an error comes again with the first line
}
