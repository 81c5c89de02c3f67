// Package migration reads the settings of other programs that bring OAuth2 to mail clients: the
// configuration of email-oauth2-proxy, davmail.properties, the token files of mutt_oauth2.py, the
// configuration and tokens of oama, and pizauth.conf. It says what they mean and what has no counterpart.
//
// It reads text and nothing else: it opens no file, runs no command of those that the settings name, and
// writes nowhere. It does not know Postern's own accounts; cmd/postern, its caller, makes them.
//
// Sources: the documentation and sample files of each program, and for email-oauth2-proxy's tokens the
// Fernet specification (github.com/fernet/spec).
package migration

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"postern/internal/store"
)

// Settings is what a file says.
type Settings struct {
	Format   string // which program's file it is
	Accounts []Account
	Listen   []Pair   // keys and values for the [listen] table, so that mail clients stay as they are
	Left     []string // what concerns no single account and is not taken, each with the reason
}

// Pair is a key of Postern's configuration with its value.
type Pair struct{ Key, Value string }

// Account is one account, in the other program's words where they differ from Postern's. Empty fields are unknown.
type Account struct {
	Email                             string // empty when the file does not name it
	Service                           string // "microsoft", "google" … where that is all that is known of the endpoints
	AuthorizeURL, TokenURL, DeviceURL string
	Tenant                            string
	Scopes                            []string
	IMAP, SMTP, POP3                  string // host:port
	Flow                              string // browser, device, client-credentials
	ClientID                          string
	ClientSecret                      store.Secret
	ClientCertificate, ClientKey      string // paths, as the file has them
	Refresh                           store.Secret
	Sealed                            *Sealed // tokens that a password opens
	Left                              []string
	Broken                            string // why the account can not be taken at all
}

func (a *Account) left(what, why string) { a.Left = append(a.Left, what+": "+why) }

// ErrUnknownFormat says that a file is none of those that can be read.
var ErrUnknownFormat = errors.New("not in a form that can be imported")

// EncryptedError is returned for a file that has to be decrypted first, by the program that holds the key.
type EncryptedError struct{}

// Error says so.
func (EncryptedError) Error() string { return "encrypted with OpenPGP" }

// format is one program's file.
type format struct {
	name string
	is   func(text string) bool
	read func(text string) (*Settings, error)
}

var errEmpty = errors.New("the file is empty")

// Read recognises the format by the content. ErrUnknownFormat, EncryptedError, or what is wrong with the file.
func Read(text []byte) (*Settings, error) {
	if isOpenPGP(text) {
		return nil, EncryptedError{}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errEmpty
	}
	s := strings.ReplaceAll(string(text), "\r\n", "\n")
	for _, f := range []format{
		{"mutt_oauth2.py token file", isMuttToken, readMuttToken},
		{"oama token", isOamaToken, readOamaToken},
		{"oama configuration", isOamaConfig, readOamaConfig},
		{"pizauth configuration", isPizauth, readPizauth},
		{"DavMail configuration", isDavMail, readDavMail},
		{"email-oauth2-proxy configuration", isEmailProxy, readEmailProxy},
	} {
		if !f.is(s) {
			continue
		}
		found, err := f.read(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		found.Format = f.name
		return found, nil
	}
	return nil, ErrUnknownFormat
}

// isOpenPGP knows armoured messages, and binary ones by their first packet: one that holds a session key for
// a public key (tag 1) or a password (tag 3), RFC 9580 section 4.2.
func isOpenPGP(text []byte) bool {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN PGP MESSAGE-----")) {
		return true
	}
	if len(text) == 0 || text[0]&0x80 == 0 || utf8.Valid(text) {
		return false
	}
	tag := text[0] & 0x3f
	if text[0]&0x40 == 0 {
		tag = text[0] >> 2 & 0x0f
	}
	return tag == 1 || tag == 3
}
