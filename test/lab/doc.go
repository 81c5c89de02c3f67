// Package lab drives the postern binary between real mail clients (curl, mutt, mbsync, msmtp, mpop and more) and real
// servers: a Dovecot that accepts nothing but XOAUTH2 (Google's and Microsoft's form) and OAUTHBEARER (RFC 7628) for
// IMAP, POP3 and submission, and the OAuth 2.0 server oidc-provider, which Dovecot asks about each token (RFC 7662).
// It holds tests only and nobody imports it. The servers are started and stopped by the script bed; README.md says
// how, and which file asks what. What Microsoft's own servers do differently is not tested here but against
// internal/emulator; of the tests here, those of settings over TLS and of settings with tokens have that for a server.
package lab
