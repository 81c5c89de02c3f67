package emulator

import "slices"

// aadstsRow is one Microsoft error number with the `error` value it usually travels with. The texts are ours; the
// numbers and their meaning are those of Microsoft's "reference-error-codes" page (read 2026-11).
type aadstsRow struct {
	codes []int
	value string
	page  bool // authorize shows it to the person and never redirects
	text  string
}

// findAADSTS describes a number; one that is not in the table is a bad grant.
func findAADSTS(code int) aadstsRow {
	i := slices.IndexFunc(aadstsRows, func(row aadstsRow) bool { return slices.Contains(row.codes, code) })
	if i < 0 {
		return aadstsRow{value: "invalid_grant", text: "The request was refused."}
	}
	return aadstsRows[i]
}

// aadstsRows is never written to.
var aadstsRows = []aadstsRow{
	{[]int{16000, 50020, 500208}, "invalid_grant", true, "The account's identity provider does not exist in this tenant and the account can not access the application in it."},
	{[]int{50011}, "invalid_request", true, "The redirect URI specified in the request does not match the redirect URIs configured for the application."},
	{[]int{500112}, "invalid_client", false, "The redirect URI does not match the one of the authorization request."},
	{[]int{50014, 50034, 51004}, "invalid_grant", false, "The user account does not exist in the directory."},
	{[]int{50012}, "invalid_client", false, "The client assertion failed authentication."},
	{[]int{700027}, "invalid_client", false, "The certificate with the identifier used to sign the client assertion is not registered on the application, or the signature is wrong."},
	{[]int{700024}, "invalid_client", false, "The client assertion is not within its valid time range."},
	{[]int{50033, 90006, 90012, 90024, 90033, 90090}, "temporarily_unavailable", false, "A transient error has occurred. Please try again."},
	{[]int{50000, 90036, 70012}, "server_error", false, "There was an error issuing a token."},
	{[]int{50053}, "invalid_grant", false, "The account is locked: too many attempts with a wrong user or password, or from a malicious address."},
	{[]int{50055, 50144}, "invalid_grant", false, "The password is expired."},
	{[]int{50057}, "invalid_grant", false, "The user account is disabled."},
	{[]int{50058}, "login_required", false, "A silent sign-in request was sent but no user is signed in."},
	{[]int{50059, 90019}, "invalid_request", false, "No tenant-identifying information was found in the request."},
	{[]int{50072, 50079}, "interaction_required", false, "The user is required to enroll for multi-factor authentication."},
	{[]int{50074, 50076, 50078}, "interaction_required", false, "The user must use multi-factor authentication to access the resource."},
	{[]int{50085, 50089}, "invalid_grant", false, "The session is expired. Sign in again."},
	{[]int{50087, 50088}, "invalid_grant", false, "Multi-factor authentication is temporarily not available to the user."},
	{[]int{50097, 50129, 50155, 50187}, "interaction_required", false, "Device authentication is required."},
	{[]int{50105}, "invalid_grant", true, "The signed in user is not assigned to a role for the application."},
	{[]int{50126}, "invalid_grant", false, "Invalid user name or password."},
	{[]int{50131, 50158}, "invalid_grant", false, "A condition of the organization's access policy is not satisfied."},
	{[]int{50132, 50133, 50173}, "invalid_grant", false, "The provided grant has expired due to it being revoked: a fresh token is needed. The user might have changed or reset the password."},
	{[]int{50194}, "invalid_request", true, "The application is not configured as a multi-tenant application. Use of the /common endpoint is not supported for it."},
	{[]int{50196}, "invalid_grant", false, "The server terminated an operation because it encountered a client request loop."},
	{[]int{53000, 53001, 53002, 53004, 53011}, "invalid_grant", true, "The device, the application or the user does not satisfy the organization's policy."},
	{[]int{53003, 530032, 530035}, "invalid_grant", true, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."},
	{[]int{54005}, "invalid_grant", false, "The authorization code was already redeemed. Retry with a new valid code or use an existing refresh token."},
	{[]int{500011}, "invalid_resource", false, "The resource principal was not found in the tenant."},
	{[]int{500021, 500022, 50002, 500212, 500213}, "access_denied", true, "The tenant restricts access from this network or for this account."},
	{[]int{65001}, "invalid_grant", false, "The user or administrator has not consented to use the application."},
	{[]int{65002}, "invalid_client", true, "Consent between first party applications must be configured by preauthorization."},
	{[]int{65004}, "access_denied", false, "The user declined to consent to access the app."},
	{[]int{65005, 65006, 650056, 650057}, "invalid_client", true, "The application is misconfigured: it lacks a permission for the requested resource."},
	{[]int{650052, 650054}, "invalid_client", true, "The organization has no subscription to the service that the app needs."},
	{[]int{70000}, "invalid_grant", false, "The provided value for the input parameter is not valid, or the scopes are unauthorized or expired."},
	{[]int{70001, 7000112, 700011, 700016}, "unauthorized_client", true, "The application was not found in the directory, or is disabled there."},
	{[]int{70003}, "unsupported_grant_type", false, "The grant type is not supported."},
	{[]int{70008}, "invalid_grant", false, "The provided authorization code or refresh token has expired due to inactivity."},
	{[]int{700082}, "invalid_grant", false, "The refresh token has expired due to inactivity. The token was inactive for 90 days."},
	{[]int{700084}, "invalid_grant", false, "The refresh token was issued to a single page app and has a fixed, limited lifetime of 1 day."},
	{[]int{70011, 28002, 28003, 700022, 700023}, "invalid_scope", false, "The provided value for the scope is not valid: scopes of several resources are not compatible with each other."},
	{[]int{70016}, "authorization_pending", false, "OAuth 2.0 device flow error. Authorization is pending. Continue polling."},
	{[]int{70018, 90119, 90120}, "bad_verification_code", false, "The device code is not recognized, or was already used."},
	{[]int{70019, 70020}, "expired_token", false, "The verification code expired. Have the user retry the sign-in."},
	{[]int{70043}, "invalid_grant", false, "The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access."},
	{[]int{700005}, "invalid_grant", false, "The provided authorization code is intended for use against another tenant, thus rejected."},
	{[]int{700025}, "invalid_client", false, "The client is public so neither 'client_assertion' nor 'client_secret' should be presented."},
	{[]int{700051}, "unsupported_response_type", false, "The response type is not enabled for the application."},
	{[]int{7000215}, "invalid_client", false, "Invalid client secret provided. Ensure the secret is the client secret value, not its ID."},
	{[]int{7000222}, "invalid_client", false, "The provided client secret keys are expired."},
	{[]int{7000218}, "invalid_client", false, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
	{[]int{501481}, "invalid_grant", false, "The Code_Verifier does not match the code_challenge supplied in the authorization request."},
	{[]int{50147}, "invalid_request", false, "Invalid size or method of Code_Challenge parameter."},
	{[]int{501491}, "invalid_grant", false, "Invalid size of Code_Verifier parameter."},
	{[]int{90002}, "invalid_request", true, "The tenant was not found."},
	{[]int{90038, 90043}, "invalid_request", true, "The tenant is in another national cloud."},
	{[]int{90023}, "invalid_request", false, "The request is not valid for this client."},
	{[]int{90055}, "temporarily_unavailable", false, "The tenant is throttled due to too many requests."},
	{[]int{90072}, "invalid_grant", true, "The external account needs to be added as an external user in the tenant first."},
	{[]int{90094, 90095}, "access_denied", true, "An administrator of the organization has to grant this permission. Need admin approval."},
	{[]int{90124, 90130, 9001023}, "invalid_request", false, "The grant type or resource is not supported over the /common or /consumers endpoints."},
	{[]int{9002332}, "invalid_request", true, "The application is configured for use by organizations' users only. Do not use the /consumers endpoint for it."},
	{[]int{900561}, "invalid_request", false, "The endpoint only accepts POST requests."},
	{[]int{90014, 900144, 900971}, "invalid_request", false, "The request body must contain a parameter that is missing."},
	{[]int{9002313}, "invalid_request", false, "Invalid request. Request is malformed or invalid."},
}
