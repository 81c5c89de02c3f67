package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// randomText is 256 bits in the unreserved characters of URLs: 43 of them, the least that RFC 7636 section 4.1
// allows a code verifier to have.
func randomText() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// challenge is the S256 code challenge of a verifier, RFC 7636 section 4.2.
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
