package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// person is who signed in, as the id_token has it.
type person struct {
	names []string // addresses and user principal names, best first
}

const mostIDToken = 64 << 10

var errIDToken = errors.New("the id_token can not be read")

// readIDToken reads the claims that name the person. The signature is not checked: the token came from the
// token endpoint itself over TLS (OpenID Connect Core 1.0 section 3.1.3.7, item 6).
func readIDToken(token string) (person, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > mostIDToken {
		return person{}, errIDToken
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return person{}, errIDToken
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(b, &claims) != nil {
		return person{}, errIDToken
	}
	var who person
	for _, name := range []string{"preferred_username", "email", "upn"} {
		var value string
		if json.Unmarshal(claims[name], &value) != nil {
			continue
		}
		if value = printable(value, 254); value != "" {
			who.names = append(who.names, value)
		}
	}
	return who, nil
}

func (w person) is(address string) bool {
	for _, name := range w.names {
		if strings.EqualFold(name, address) {
			return true
		}
	}
	return false
}

// String is the best name, "" when there is none.
func (w person) String() string {
	if len(w.names) == 0 {
		return ""
	}
	return w.names[0]
}
