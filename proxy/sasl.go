package proxy

import (
	"encoding/base64"
	"errors"
	"strings"
)

// badSASL is an exchange that the client did not go through; the session goes on.
type badSASL string

func (e badSASL) Error() string { return string(e) }

// errNoMechanism means that the client wants a mechanism that has no use for a local password.
var errNoMechanism = errors.New("only PLAIN and LOGIN, with the local password")

// takeCredentials goes through PLAIN (RFC 4616) or LOGIN (draft-murchison-sasl-login). first is the answer
// that came with the command (RFC 4959); ask sends a challenge in base64 and returns the client's line.
func takeCredentials(mechanism, first string, hasFirst bool, ask func(string) (string, error)) (user, password string, err error) {
	x := saslExchange{first: first, hasFirst: hasFirst, ask: ask}
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		return x.plain()
	case "LOGIN":
		return x.login()
	}
	return "", "", errNoMechanism
}

type saslExchange struct {
	first    string
	hasFirst bool
	ask      func(string) (string, error)
}

// answer is the client's next answer, decoded.
func (x *saslExchange) answer(challenge string) (string, error) {
	line := x.first
	if !x.hasFirst {
		var err error
		if line, err = x.ask(base64.StdEncoding.EncodeToString([]byte(challenge))); err != nil {
			return "", err
		}
	}
	x.hasFirst = false
	if line == "*" {
		return "", badSASL("cancelled")
	}
	// Padding may be missing; "=" is the empty answer (RFC 4959 section 3).
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(line, "="))
	if err != nil {
		return "", badSASL("not base64")
	}
	return string(b), nil
}

func (x *saslExchange) plain() (user, password string, err error) {
	message, err := x.answer("")
	if err != nil {
		return "", "", err
	}
	fields := strings.Split(message, "\x00")
	if len(fields) != 3 {
		return "", "", badSASL("PLAIN takes three fields")
	}
	if fields[0] != "" && !strings.EqualFold(fields[0], fields[1]) {
		return "", "", badSASL("PLAIN for another user is not possible")
	}
	return fields[1], fields[2], nil
}

func (x *saslExchange) login() (user, password string, err error) {
	if user, err = x.answer("Username:"); err != nil {
		return "", "", err
	}
	password, err = x.answer("Password:")
	return user, password, err
}
