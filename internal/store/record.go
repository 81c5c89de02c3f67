package store

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is everything that is kept about one account.
type Record struct {
	Account   string     // lower-cased address; the key, and bound to the ciphertext
	Settings  *Settings  // nil for an account that only the configuration declares
	Passwords []Password // local passwords
	Token     *Token     // nil: never signed in, or logged out
	LoggedOut time.Time  // when a person signed the account out last; zero = never
	Problem   *Problem   // the last failure; nil after a success
}

// Settings are those of an account that was added by command. Empty fields are the provider's defaults;
// files are absolute paths.
type Settings struct {
	Provider          string
	ClientID          string
	Tenant            string
	Flow              string
	ClientSecretFile  string
	ClientCertificate string
	ClientKey         string
	Mailbox           string
	SignInAs          string
	Created           time.Time
}

// Password is one local password, kept as a hash.
type Password struct {
	ID                 string // short, and the same for the password's whole life
	Label              string // which program it is for
	Hash               string // as package auth writes it: "sha256$…" or "argon2id$…"
	ReadOnly, SendOnly bool
	Created            time.Time
	Expires            time.Time // zero = never
}

// Token is what the provider issued at the last sign-in or refresh.
type Token struct {
	Access      Secret
	Expiry      time.Time // of Access
	Refresh     Secret    // empty where the provider gives none, as for an app
	Scopes      []string  // granted; empty = the provider did not say
	SignedInAs  string    // as the provider named who signed in; "" when it did not
	Provider    string    // who gave them; empty in records of versions that did not note it, as is ClientID
	ClientID    string    // of the app to which they were given
	SignedInAt  time.Time
	RefreshedAt time.Time // zero when there was no refresh since the sign-in
}

// Problem is the last failure of an account, as status shows it: auth.Problem as it is kept.
type Problem struct {
	Class, Code string
	Say, Cure   string
	At          time.Time // when it happened
	RetryAt     time.Time // zero = no wait
}

// clone returns a copy that shares nothing with r.
func (r Record) clone() Record {
	r.Settings = copied(r.Settings)
	r.Passwords = slices.Clone(r.Passwords)
	r.Token = copied(r.Token)
	if r.Token != nil {
		r.Token.Scopes = slices.Clone(r.Token.Scopes)
	}
	r.Problem = copied(r.Problem)
	return r
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

// maxAccount is far above the 256 bytes of RFC 5321 section 4.5.3.1.3, and what the file format can hold.
const maxAccount = 1024

// accountName is the key of an account: addresses compare without case.
func accountName(account string) (string, error) {
	// Lower-casing turns every invalid byte into the same character: two accounts would become one.
	if account == "" || len(account) > maxAccount || !utf8.ValidString(account) || strings.ContainsRune(account, 0) {
		return "", fmt.Errorf("account %q: not a name that the store can keep", account)
	}
	return strings.ToLower(account), nil
}
