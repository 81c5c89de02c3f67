package emulator

import (
	"net/http"
	"strings"
)

// metadata is the OpenID Connect discovery document. For the aliases of several tenants its issuer holds a
// placeholder, which a strict issuer check (RFC 8414 section 3.3) fails on; there is no revocation endpoint.
func (id *Identity) metadata(r *http.Request, f Fault) answer {
	if refused := f.refusal(); refused != nil {
		return id.errorAnswer(refused)
	}
	tenant := r.PathValue("tenant")
	issuer := tenant
	switch strings.ToLower(tenant) {
	case "common", "organizations":
		issuer = "{tenantid}"
	case "consumers":
		issuer = consumerTenant
	}
	return jsonAnswer(http.StatusOK, map[string]any{
		"issuer":                                id.base + "/" + issuer + "/v2.0",
		"authorization_endpoint":                id.AuthorizeURL(tenant),
		"token_endpoint":                        id.TokenURL(tenant),
		"device_authorization_endpoint":         id.DeviceURL(tenant),
		"end_session_endpoint":                  id.base + "/" + tenant + "/oauth2/v2.0/logout",
		"jwks_uri":                              id.base + "/" + tenant + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver", "email"},
		"tenant_region_scope":                   nil,
		"cloud_instance_name":                   "emulator.invalid",
	})
}
