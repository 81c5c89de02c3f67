package migration

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"postern/internal/store"
)

// Sealed is what email-oauth2-proxy keeps encrypted with a key that it makes of the mail client's password.
type Sealed struct {
	salt                  string
	iterations            int
	refresh, clientSecret string
}

// usualIterations are those of email-oauth2-proxy's versions, for files that do not name a number.
var usualIterations = []int{1_200_000, 870_000, 100_000}

// maxIterations is some seconds' work. A file that asks for more wants to keep us busy.
const maxIterations = 20_000_000

// ErrWrongPassword says that a password does not open what was sealed.
var ErrWrongPassword = errors.New("the password does not open the tokens")

// Open returns what was sealed; what there was none of is zero. ErrWrongPassword, or what is wrong with the file.
func (s *Sealed) Open(password store.Secret) (refresh, clientSecret store.Secret, err error) {
	salt, err := base64.StdEncoding.DecodeString(s.salt)
	if err != nil || len(salt) == 0 {
		return refresh, clientSecret, errors.New("token_salt is missing or no base64")
	}
	tries := usualIterations
	switch {
	case s.iterations < 0 || s.iterations > maxIterations:
		return refresh, clientSecret, fmt.Errorf("token_iterations = %d is out of range", s.iterations)
	case s.iterations > 0:
		tries = append([]int{s.iterations}, 100_000) // the first versions' tokens, until they are used again
	}
	for _, n := range tries {
		key, err := pbkdf2.Key(sha256.New, password.Reveal(), salt, n, 32)
		if err != nil {
			return refresh, clientSecret, err
		}
		refresh, err = openOne(key, s.refresh)
		if err == nil {
			clientSecret, err = openOne(key, s.clientSecret)
		}
		if !errors.Is(err, ErrWrongPassword) {
			return refresh, clientSecret, err
		}
	}
	return store.Secret{}, store.Secret{}, ErrWrongPassword
}

func openOne(key []byte, token string) (store.Secret, error) {
	if token == "" {
		return store.Secret{}, nil
	}
	text, err := openFernet(key, token)
	return store.NewSecret(string(text)), err
}

// openFernet decrypts a Fernet token: version 0x80, time, IV, AES-128-CBC with PKCS #7 padding, and a HMAC-SHA256
// over all of it, the key's first half being the HMAC's. ErrWrongPassword when the HMAC does not match.
func openFernet(key []byte, token string) ([]byte, error) {
	const head, mac = 1 + 8 + aes.BlockSize, sha256.Size
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
	if err != nil || len(raw) < head+aes.BlockSize+mac || raw[0] != 0x80 || (len(raw)-head-mac)%aes.BlockSize != 0 {
		return nil, errors.New("a stored token is damaged")
	}
	signed, sum := raw[:len(raw)-mac], raw[len(raw)-mac:]
	h := hmac.New(sha256.New, key[:16])
	h.Write(signed)
	if !hmac.Equal(h.Sum(nil), sum) {
		return nil, ErrWrongPassword
	}
	block, err := aes.NewCipher(key[16:])
	if err != nil {
		return nil, err
	}
	text := make([]byte, len(signed)-head)
	cipher.NewCBCDecrypter(block, signed[9:head]).CryptBlocks(text, signed[head:])
	padding := int(text[len(text)-1])
	if padding == 0 || padding > aes.BlockSize || padding > len(text) {
		return nil, errors.New("a stored token is damaged")
	}
	return text[:len(text)-padding], nil
}
