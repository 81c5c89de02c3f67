package proxy

import (
	"encoding/base64"
	"net"
	"slices"
	"strings"

	"postern/auth"
)

// XOAUTH2 is the token in Google's and Microsoft's mechanism, as it goes over the wire: base64 of two
// fields, each ended by ^A, and one ^A more (Google's "OAuth 2.0 Mechanism", section "The SASL XOAUTH2 Mechanism").
func XOAUTH2(mailbox string, token auth.Secret) auth.Secret {
	return encodeSASL("user=" + mailbox + "\x01auth=Bearer " + token.Reveal() + "\x01\x01")
}

// OAuthBearer is the token in the standard's mechanism (RFC 7628 section 3.1), as it goes over the wire.
// host and port are those of the connection, for a server may compare them; empty ones are left out.
func OAuthBearer(mailbox string, token auth.Secret, host, port string) auth.Secret {
	m := "n,a=" + saslName.Replace(mailbox) + ",\x01"
	if host != "" {
		m += "host=" + host + "\x01port=" + port + "\x01"
	}
	return encodeSASL(m + "auth=Bearer " + token.Reveal() + "\x01\x01")
}

// saslName escapes what separates fields in the GS2 header (RFC 5801 section 4).
var saslName = strings.NewReplacer(",", "=2C", "=", "=3D")

func encodeSASL(s string) auth.Secret {
	return auth.NewSecret(base64.StdEncoding.EncodeToString([]byte(s)))
}

// saslProof is a token ready for a mechanism.
type saslProof struct {
	name     string
	proof    auth.Secret
	ifFailed string // answers the challenge with which a failure is explained
}

// mechanism prefers XOAUTH2, which Microsoft alone offers; the standard's own is for servers that have
// only that. A challenge after the proof is the reason of a failure, in JSON; the server waits for a line
// before it says no: an empty one in XOAUTH2, ^A in OAUTHBEARER (RFC 7628 section 3.2.3).
func (c credentials) mechanism(offered, server string) saslProof {
	names := strings.Fields(strings.ToUpper(offered))
	if slices.Contains(names, "OAUTHBEARER") && !slices.Contains(names, "XOAUTH2") {
		host, port, _ := net.SplitHostPort(server)
		return saslProof{name: "OAUTHBEARER", proof: OAuthBearer(c.mailbox, c.token, host, port), ifFailed: "AQ=="}
	}
	return saslProof{name: "XOAUTH2", proof: XOAUTH2(c.mailbox, c.token)}
}
