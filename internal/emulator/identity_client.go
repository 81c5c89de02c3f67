package emulator

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticateClientLocked tells which client asks and checks what it proves itself with. A public client may
// prove nothing: Microsoft refuses a secret from it (AADSTS700025).
func (id *Identity) authenticateClientLocked(r *http.Request) (*Client, *refusal) {
	name, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		name, secret = unescaped(user), unescaped(password) // RFC 6749 section 2.3.1
	}
	client := id.clients[name]
	assertion := r.PostForm.Get("client_assertion")
	switch {
	case name == "":
		return nil, refuse(900144, "The request body must contain the following parameter: 'client_id'.")
	case client == nil:
		return nil, refuse(700016, "Application with identifier '"+name+"' was not found in the directory.")
	case client.public() && (secret != "" || assertion != ""):
		return nil, refuse(700025)
	case client.public():
		return client, nil
	case assertion != "":
		if r.PostForm.Get("client_assertion_type") != assertionType {
			return nil, refuse(900144, "The request body must contain the following parameter: 'client_assertion_type'.")
		}
		return client, id.checkAssertionLocked(assertion, client, "https://"+r.Host+r.URL.Path)
	case secret == "":
		return nil, refuse(7000218)
	case contains(client.Secrets, secret):
		return client, nil
	case contains(client.OldSecrets, secret):
		return nil, refuse(7000222)
	}
	return nil, refuse(7000215)
}

func contains(secrets []string, secret string) bool {
	return slices.ContainsFunc(secrets, func(have string) bool {
		return subtle.ConstantTimeCompare([]byte(have), []byte(secret)) == 1
	})
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
