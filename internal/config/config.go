// Package config reads the configuration file into checked structs and says everything that is wrong with
// it at once. It knows the keys and what values they take, and nothing of the rest of the program: only
// cmd/postern reads it, and hands each package its own options.
//
// The file is TOML 1.0; config.example.toml explains every key. It is a person's; SetListen is all that writes it.
package config

import "time"

// Config is a configuration without mistakes: Load gives out no other. Fields are named after the keys.
type Config struct {
	Listen   Listen              `toml:"listen"`
	Store    Store               `toml:"store"`
	Limits   Limits              `toml:"limits"`
	Log      Log                 `toml:"log"`
	Provider map[string]Provider `toml:"provider"` // by name
	Account  map[string]Account  `toml:"account"`  // by lower-cased address

	Path string `toml:"-"` // the file; "" when there is none
}

// Listen says where mail clients find the program: host:port, or "" for off.
type Listen struct {
	IMAP          string `toml:"imap"`
	IMAPS         string `toml:"imaps"`
	SMTP          string `toml:"smtp"`
	POP3          string `toml:"pop3"`
	Web           string `toml:"web"`
	TLSCert       string `toml:"tls_cert"` // absolute path of a PEM file, as is TLSKey; both or none
	TLSKey        string `toml:"tls_key"`
	AllowInsecure bool   `toml:"allow_insecure"`
}

// TLS reports whether clients can use TLS.
func (l Listen) TLS() bool { return l.TLSCert != "" && l.TLSKey != "" }

// Store says where accounts and tokens are kept.
type Store struct {
	URL string `toml:"url"` // "" = encrypted files in the state directory
}

// Limits bound what clients can make the program hold or wait for. No value is zero.
type Limits struct {
	Sessions           int      `toml:"sessions"`             // at once
	SessionsPerMailbox int      `toml:"sessions_per_mailbox"` // of these, for one mailbox and protocol
	PreLogin           int      `toml:"pre_login"`            // of these, clients that have not logged in
	LoginTimeout       Duration `toml:"login_timeout"`        // of a client, from its connection to its login
	UpstreamTimeout    Duration `toml:"upstream_timeout"`     // for token, connection and login at the provider together
}

// Log says which events are written, and how.
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn, error
	Format string `toml:"format"` // text, json
}

// Provider adds a mail provider, or changes a built-in one: an empty field keeps what is built in.
type Provider struct {
	AuthorizeURL string   `toml:"authorize_url"`
	TokenURL     string   `toml:"token_url"`
	DeviceURL    string   `toml:"device_url"`
	RevokeURL    string   `toml:"revoke_url"`
	Tenant       string   `toml:"tenant"`
	Scopes       []string `toml:"scopes"`
	IMAP         string   `toml:"imap"`
	SMTP         string   `toml:"smtp"`
	POP3         string   `toml:"pop3"`
	CAFile       string   `toml:"ca_file"` // absolute path of a PEM file
}

// Account declares an account. An empty field is the provider's default; an empty Provider is chosen by
// the address. Paths are absolute.
type Account struct {
	Provider          string `toml:"provider"`
	ClientID          string `toml:"client_id"`
	Tenant            string `toml:"tenant"`
	Flow              string `toml:"flow"` // never empty: browser, device, client-credentials
	ClientSecretFile  string `toml:"client_secret_file"`
	ClientCertificate string `toml:"client_certificate"`
	ClientKey         string `toml:"client_key"`
	Mailbox           string `toml:"mailbox"`
	SignInAs          string `toml:"sign_in_as"`
	PasswordHash      string `toml:"password_hash"`
}

// The ways to sign in.
const (
	flowBrowser           = "browser"
	flowDevice            = "device"
	flowClientCredentials = "client-credentials"
)

// Default is the configuration of an empty file.
func Default() *Config {
	return &Config{
		Listen: Listen{IMAP: "127.0.0.1:1143", Web: "127.0.0.1:1180"},
		Limits: Limits{
			Sessions:           5000,
			SessionsPerMailbox: 16, // Exchange is said to take about 20 connections to one mailbox
			PreLogin:           500,
			LoginTimeout:       Duration(2 * time.Minute),
			UpstreamTimeout:    Duration(time.Minute),
		},
		Log:      Log{Level: "info", Format: "text"},
		Provider: map[string]Provider{},
		Account:  map[string]Account{},
	}
}
