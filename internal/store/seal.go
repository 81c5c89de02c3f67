package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// A record file is
//
//	"postern" version(1) key id(8) length of the account's name(2) name | nonce(12) ciphertext tag(16)
//
// Everything before the bar is the associated data: a file under another account's name does not open. The
// plaintext is the JSON of sealedRecord. A field whose loss would matter to an older program needs another
// version number, which older programs refuse.
const (
	magic        = "postern"
	version      = 1
	keyIDSize    = 8
	prefixSize   = len(magic) + 1 + keyIDSize + 2
	gcmNonceSize = 12
	gcmTagSize   = 16
)

// sealer seals and opens records with one key.
type sealer struct {
	aead cipher.AEAD
	id   [keyIDSize]byte
}

func newSealer(key [32]byte) *sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for a key of another length
	}
	// Random nonces are good for 2^32 writes with one key.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for a cipher of another block size
	}
	sum := sha256.Sum256(append([]byte("postern store key id\x00"), key[:]...))
	return &sealer{aead: aead, id: [keyIDSize]byte(sum[:])}
}

// header is what precedes the account's ciphertext.
func (s *sealer) header(account string) []byte {
	h := append([]byte(magic), version)
	h = append(h, s.id[:]...)
	h = binary.BigEndian.AppendUint16(h, uint16(len(account)))
	return append(h, account...)
}

// seal returns the content of the account's file.
func (s *sealer) seal(account string, plain []byte) []byte {
	h := s.header(account)
	return s.aead.Seal(bytes.Clone(h), nil, plain, h)
}

// open returns the plaintext of the account's file; ErrDamaged, ErrWrongKey.
func (s *sealer) open(account string, content []byte) ([]byte, error) {
	id, name, sealed, err := split(content)
	if err != nil {
		return nil, err
	}
	if id != s.id {
		return nil, ErrWrongKey
	}
	if name != account {
		return nil, fmt.Errorf("%w: it is the record of %s", ErrDamaged, name)
	}
	plain, err := s.aead.Open(nil, nil, sealed, s.header(account))
	if err != nil {
		return nil, fmt.Errorf("%w: its content was changed or cut", ErrDamaged)
	}
	return plain, nil
}

// split takes a record file apart; ErrDamaged. Nothing of what it returns is authenticated.
func split(content []byte) (id [keyIDSize]byte, account string, sealed []byte, err error) {
	if len(content) < prefixSize || !bytes.HasPrefix(content, []byte(magic)) {
		return id, "", nil, fmt.Errorf("%w: not a record of Postern", ErrDamaged)
	}
	rest := content[len(magic):]
	if rest[0] != version {
		return id, "", nil, fmt.Errorf("%w: format version %d, and this program knows %d; a newer Postern may have written it",
			ErrDamaged, rest[0], version)
	}
	id = [keyIDSize]byte(rest[1:])
	rest = rest[1+keyIDSize:]
	size := int(binary.BigEndian.Uint16(rest))
	if rest = rest[2:]; len(rest) < size+gcmNonceSize+gcmTagSize {
		return id, "", nil, fmt.Errorf("%w: cut short", ErrDamaged)
	}
	return id, string(rest[:size]), rest[size:], nil
}

// sealedRecord is Record as it is written. Only here are secrets written out.
type sealedRecord struct {
	Settings  *Settings    `json:",omitempty"`
	Passwords []Password   `json:",omitempty"`
	Token     *sealedToken `json:",omitempty"`
	LoggedOut time.Time    `json:",omitzero"`
	Problem   *Problem     `json:",omitempty"`
}

type sealedToken struct {
	Access, Refresh []byte // bytes, because a JSON string would change what is not UTF-8
	Expiry          time.Time
	Scopes          []string `json:",omitempty"`
	SignedInAs      string
	Provider        string `json:",omitempty"`
	ClientID        string `json:",omitempty"`
	SignedInAt      time.Time
	RefreshedAt     time.Time
}

// encode is the plaintext of a record.
func encode(r Record) ([]byte, error) {
	s := sealedRecord{Settings: r.Settings, Passwords: r.Passwords, LoggedOut: r.LoggedOut, Problem: r.Problem}
	if t := r.Token; t != nil {
		s.Token = &sealedToken{
			Access: []byte(t.Access.Reveal()), Refresh: []byte(t.Refresh.Reveal()), Expiry: t.Expiry, Scopes: t.Scopes,
			SignedInAs: t.SignedInAs, Provider: t.Provider, ClientID: t.ClientID, SignedInAt: t.SignedInAt, RefreshedAt: t.RefreshedAt,
		}
	}
	return json.Marshal(s)
}

// decode is the reverse of encode; ErrDamaged.
func decode(account string, plain []byte) (Record, error) {
	var s sealedRecord
	if err := json.Unmarshal(plain, &s); err != nil {
		return Record{}, fmt.Errorf("%w: its content is not a record", ErrDamaged)
	}
	r := Record{Account: account, Settings: s.Settings, Passwords: s.Passwords, LoggedOut: s.LoggedOut, Problem: s.Problem}
	if t := s.Token; t != nil {
		r.Token = &Token{
			Access: NewSecret(string(t.Access)), Refresh: NewSecret(string(t.Refresh)), Expiry: t.Expiry, Scopes: t.Scopes,
			SignedInAs: t.SignedInAs, Provider: t.Provider, ClientID: t.ClientID, SignedInAt: t.SignedInAt, RefreshedAt: t.RefreshedAt,
		}
	}
	return r, nil
}
