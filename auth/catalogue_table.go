package auth

import (
	"slices"
	"time"
)

// Cures that many rows share.
const (
	signInAgain = "postern login {account}"
	waitForIt   = "nothing: Postern tries again by itself"
	askAdmin    = "show this message and its code to the administrator of your organisation"
	startAgain  = "start again: postern login {account}"
	checkTenant = `set the account's tenant: "consumers" for a personal account, "organizations" or your organisation's own for a work account; or sign in with another account: postern login {account}`
)

// catalogue is everything that Postern knows about failures; the first row that fits counts. It is never
// written to, nor are its parts.
var catalogue = slices.Concat(oauthRows, wayRows, ownRows, aadstsRows, mailRows)

// oauthRows are found by the error value of the OAuth endpoints. Sources of these and of the following: learn.microsoft.com "Microsoft Entra authentication and authorization error codes",
// RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5, and texts of Exchange Online and Outlook.com
// servers as seen until 2026-11.
var oauthRows = []row{
	{key: "invalid_grant", class: SignIn, say: "the sign-in is no longer valid", cure: signInAgain},
	{key: "interaction_required", class: SignIn, say: "the provider wants to see a person", cure: signInAgain},
	{key: "consent_required", class: SignIn, say: "the app's access to the mailbox has not been approved", cure: signInAgain},
	{key: "login_required", class: SignIn, say: "the provider wants a new sign-in", cure: signInAgain},
	{key: "account_selection_required", class: SignIn, say: "the provider wants a person to choose the account", cure: signInAgain},
	{key: "bad_token", class: SignIn, say: "the stored sign-in is no longer accepted", cure: signInAgain},
	{key: "interrupted_user", class: SignIn, say: "the provider has a question for the person", cure: signInAgain},
	{key: "access_denied", class: SignIn, say: "the sign-in was declined", cure: "sign in again and accept: postern login {account}"},
	{key: "authorization_declined", class: SignIn, say: "the sign-in was declined", cure: "sign in again and accept: postern login {account}"},
	{key: "expired_token", class: SignIn, say: "the code was not entered in time", cure: startAgain},
	{key: "bad_verification_code", class: SignIn, say: "the provider does not know the device code", cure: startAgain},
	{key: "authorization_pending", class: Retry, say: "nobody has entered the code yet", cure: "enter the code on the page that was shown"},
	{key: "slow_down", class: Retry, say: "the provider wants to be asked less often", cure: waitForIt},
	{key: "temporarily_unavailable", class: Retry, say: "the provider is not available at the moment", cure: waitForIt},
	{key: "server_error", class: Retry, say: "the provider had an error of its own", cure: waitForIt},
	{key: "invalid_request", class: Configuration, say: "the provider finds the request malformed", cure: "check the account's client id, tenant and scopes: postern check {account}"},
	{key: "invalid_client", class: Configuration, say: "the provider does not accept the app", cure: "check the client id, and the secret or certificate of the app registration"},
	{key: "unauthorized_client", class: Configuration, say: "the app registration may not sign in this way", cure: "check the client id and what its registration allows (docs/microsoft.md)"},
	{key: "unsupported_grant_type", class: Configuration, say: "the provider does not offer this way of signing in", cure: "choose another flow for the account"},
	{key: "unsupported_response_type", class: Configuration, say: "the app registration does not allow the code flow", cure: "check the app registration (docs/microsoft.md)"},
	{key: "invalid_scope", class: Configuration, say: "the provider does not accept the scopes", cure: "correct scopes in the provider's table, or add the permissions to the app registration"},
	{key: "invalid_resource", class: Configuration, say: "the provider does not know the resource of the scopes", cure: "correct scopes in the provider's table"},
	{key: "invalid_target", class: Configuration, say: "the provider does not know the resource of the scopes", cure: "correct scopes in the provider's table"},
	{key: "invalid_tenant", class: Configuration, say: "the tenant {tenant} does not exist", cure: "correct the account's tenant"},
	{key: "redirect_uri_mismatch", class: Configuration, say: "the redirect address is not registered for the app", cure: "add http://localhost to the app registration"},
	{key: "unknown-error", class: Retry, say: "the provider refused with an error that Postern does not know: {detail}", cure: "if it stays, search for the code: postern check {account}"},
}

// wayRows are what happens between us and the provider, and what comes back that is no OAuth answer.
var wayRows = []row{
	{key: "network", class: Retry, say: "can not reach {host}: {detail}", cure: "check the network; Postern tries again by itself"},
	{key: "dns", class: Retry, say: "the name {host} can not be looked up", cure: "check the network and its DNS; Postern tries again by itself"},
	{key: "tls", class: Retry, say: "the connection to {host} is not trusted: {detail}", cure: "a hotel or guest network may want you to log in first, a clock may be wrong, or your organisation reads the traffic (then set ca_file for the provider)"},
	{key: "timeout", class: Retry, say: "{host} does not answer in time", cure: "check the network; Postern tries again by itself"},
	{key: "captive-portal", class: Retry, say: "a web page came instead of {host}'s answer", cure: "a hotel or guest network may want you to log in first, with a browser"},
	{key: "redirect", class: Retry, say: "the request to {host} was sent elsewhere", cure: "a hotel or guest network may want you to log in first, with a browser"},
	{key: "truncated", class: Retry, say: "the answer of {host} broke off", cure: waitForIt},
	{key: "bad-response", class: Retry, say: "the answer of {host} makes no sense: {detail}", cure: "if it stays, check token_url of the provider"},
	{key: "http-429", class: Retry, say: "{host} is asked too often", cure: waitForIt},
	{key: "http-5xx", class: Retry, say: "{host} has a fault of its own", cure: waitForIt},
	{key: "http-4xx", class: Retry, say: "{host} refused the request without a reason", cure: "if it stays, check the provider's addresses and the network's web filter"},
	{key: "http-404", class: Configuration, say: "{host} has no such address", cure: "check token_url and device_url of the provider, and the tenant"},
	{key: "http-407", class: Configuration, say: "the network's web proxy wants a password", cure: "put it into HTTPS_PROXY, or let the proxy pass {host}"},
	{key: "token-type", class: Configuration, say: "the provider gave a token of a kind that mail servers do not take: {detail}", cure: "check the provider's addresses"},
}

// ownRows are situations that Postern finds itself.
var ownRows = []row{
	{key: "not-connected", class: SignIn, say: "this account is not signed in", cure: signInAgain},
	{key: "wrong-account", class: SignIn, say: "{detail} signed in, but this account is {who}", cure: "sign in as {who}: postern login {account}; or, if that is the same person, set sign_in_as (postern account add --sign-in-as)"},
	{key: "no-refresh-token", class: SignIn, say: "the provider gave access for an hour only: its answer has no refresh token", cure: "let the app registration and the scopes have offline_access, then: postern login {account}"},
	{key: "scope-missing", class: SignIn, say: "the sign-in does not cover the mailbox: {detail} was not granted", cure: "sign in again and approve everything: postern login {account}"},
	{key: "other-app", class: SignIn, say: "the stored sign-in is from another app or provider than the account has now", cure: "postern login {account}; or give the account its former client id and provider back"},
	{key: "not-covered", class: SignIn, say: "the sign-in is not for {detail}", cure: signInAgain},
	{key: "no-scope-for", class: Configuration, say: "the scopes of {provider} have none for {detail}", cure: "add it to scopes in the provider's table (docs/microsoft.md), then: postern login {account}"},
	{key: "sign-in-timeout", class: SignIn, say: "nobody signed in in time", cure: startAgain},
	{key: "sign-in-ended", class: SignIn, say: "the sign-in was broken off", cure: startAgain},
	{key: "no-code", class: SignIn, say: "the provider's answer to the sign-in has no code", cure: startAgain},
	{key: "listener", class: Retry, say: "no port of this machine can be opened for the browser's answer: {detail}", cure: "postern login {account} --device"},
	{key: "no-client-id", class: Configuration, say: "this account has no client id", cure: "register an app (docs/microsoft.md), then: postern account add {account} --client-id ID"},
	{key: "no-browser-flow", class: Configuration, say: "{provider} has no authorize_url: nobody can sign in with a browser", cure: "set authorize_url for the provider, or choose another flow"},
	{key: "no-device-flow", class: Configuration, say: "{provider} does not offer device codes", cure: "postern login {account} --no-browser"},
	{key: "app-flow", class: Configuration, say: "this account signs in as an app, without a person", cure: "postern login {account}"},
	{key: "person-flow", class: Configuration, say: "this account is not one that signs in as an app", cure: "postern login {account}"},
	{key: "app-tenant", class: Configuration, say: "an app that signs in by itself needs its own tenant, not {tenant}", cure: "set the account's tenant to the organisation's id or domain"},
	{key: "app-proof", class: Configuration, say: "an app proves itself with a secret, or with a certificate and its key", cure: "set client_secret_file, or client_certificate and client_key, and not both ways"},
	{key: "app-secret", class: Configuration, say: "the app's secret can not be read: {detail}", cure: "client_secret_file is a file with the secret and nothing else"},
	{key: "app-certificate", class: Configuration, say: "the app's certificate can not be used: {detail}", cure: "client_certificate and client_key are PEM files that belong together, with an RSA key"},
	{key: "graph-scope", class: Configuration, say: "mail servers refuse tokens of Microsoft Graph ({detail})", cure: `use scopes that begin with https://outlook.office.com/`},
	{key: "mixed-scopes", class: Configuration, say: "one token opens one resource only ({detail})", cure: "leave the mail scopes of one resource in the provider's scopes"},
	{key: "no-scope", class: Configuration, say: "there is no usable mail scope ({detail})", cure: "set scopes for the provider"},
	{key: "provider", class: Configuration, say: "provider {detail} is not known", cure: "\"postern help account add\" lists the built-in ones; any other needs its table in the configuration"},
	{key: "provider-url", class: Configuration, say: "{detail}", cure: "set the provider's https addresses"},
	{key: "flow", class: Configuration, say: "flow {detail} is not known", cure: "browser, device or client-credentials"},
	{key: "tenant", class: Configuration, say: "{detail} is no tenant", cure: "a tenant is an id, a domain, or one of common, organizations, consumers"},
	{key: "address", class: Configuration, say: "{detail} is no mail address", cure: "name the account by its address, such as ann@example.com"},
	{key: "password-hash", class: Configuration, say: "password_hash is not one that Postern knows", cure: "postern password hash EMAIL makes one"},
	{key: "declared", class: Configuration, say: "{account} stands in the configuration file", cure: "change it there, then: postern reload"},
	{key: "signed-in", class: Configuration, say: "{account} is signed in with another app or provider", cure: "postern logout {account}, then add it again"},
	{key: "broken-off", class: Retry, say: "the refresh broke off, and how it went is not known yet", cure: waitForIt},
	{key: "paused", class: Retry, say: "Postern is paused", cure: "resume it in the tray's menu or on the page of: postern open"},
	{key: "store", class: Retry, say: "the token store can not be reached: {detail}", cure: "check the permissions and free space of the state directory; nothing was lost"},
	{key: "store-damaged", class: Configuration, say: "the account's record can not be read: {detail}", cure: "bring it or its key back from a backup, or: postern account remove {account}"},
}

// aadstsRows are found by Microsoft's error numbers.
var aadstsRows = []row{
	// The user and the directory.
	{codes: []int{16000, 50020, 500208}, class: Configuration, say: "the account that signed in does not belong to the tenant {tenant}", cure: checkTenant},
	{codes: []int{50014, 50034, 51004}, class: Configuration, say: "the tenant {tenant} has no such user", cure: "check the address; " + checkTenant},
	{codes: []int{50053}, class: SignIn, say: "Microsoft has locked the account for a while, after too many attempts or because of where they came from", cure: "wait some minutes, then: postern login {account}"},
	{codes: []int{50055, 50144}, class: SignIn, say: "the account's password has expired", cure: "change it at Microsoft, then: postern login {account}"},
	{codes: []int{50057}, class: Admin, say: "the account is disabled", cure: askAdmin},
	{codes: []int{50058}, class: SignIn, say: "Microsoft wants a new sign-in", cure: signInAgain},
	{codes: []int{50126}, class: SignIn, say: "user name or password was wrong at Microsoft", cure: signInAgain},
	{codes: []int{90072}, class: Admin, say: "the account is a guest that the organisation has not added", cure: "sign in with another account, or " + askAdmin},

	// Proving who it is.
	{codes: []int{50072, 50079}, class: SignIn, say: "Microsoft wants the account's security information completed", cure: "sign in and finish the set-up it asks for: postern login {account}"},
	{codes: []int{50074, 50076, 50078}, class: SignIn, say: "Microsoft wants a second factor", cure: "sign in and approve it: postern login {account}"},
	{codes: []int{50158}, class: SignIn, say: "your organisation wants a second factor", cure: "sign in and approve it: postern login {account}"},
	{codes: []int{50085}, class: SignIn, say: "the service behind the account wants a new sign-in", cure: signInAgain},
	{codes: []int{50087, 50088}, class: Retry, say: "Microsoft can not ask for the second factor at the moment", cure: "try again in a few minutes", pause: 2 * time.Minute},
	{codes: []int{50089}, class: SignIn, say: "the sign-in took too long", cure: startAgain},
	{codes: []int{50140, 50199}, class: SignIn, say: "Microsoft has a question in the browser", cure: "sign in and answer it: postern login {account}"},
	{codes: []int{53004, 53011}, class: SignIn, say: "Microsoft sees the account at risk and wants it secured", cure: "sign in at Microsoft and do what it asks, then: postern login {account}"},

	// The stored sign-in.
	{codes: []int{50132, 50133, 50173}, class: SignIn, say: "the password was changed or the access was revoked", cure: signInAgain},
	{codes: []int{70008, 700082}, class: SignIn, say: "the sign-in was not used for so long that it has expired", cure: signInAgain},
	{codes: []int{700084}, class: SignIn, say: "the sign-in was good for a day only, because the app's redirect address is of the type single-page application", cure: `move http://localhost to "Mobile and desktop applications" in the app registration, then: postern login {account}`},
	{codes: []int{70043}, class: SignIn, say: "your organisation's policy wants a new sign-in from time to time", cure: signInAgain},
	{codes: []int{70000}, class: SignIn, say: "Microsoft does not accept the stored sign-in", cure: "postern login {account}; if that fails too, sign in at outlook.com: the account may be locked for abuse"},
	{codes: []int{54005}, class: SignIn, say: "the code of this sign-in was used already", cure: startAgain},
	{codes: []int{501481, 50147, 501491}, class: SignIn, say: "the sign-in does not match the one that was begun here", cure: startAgain},
	{codes: []int{900561}, class: SignIn, say: "the browser went back to a page that can not be shown twice", cure: startAgain},
	{codes: []int{700005}, class: Configuration, say: "the sign-in began in one tenant and ended in another", cure: "use one tenant in authorize_url and token_url of the provider"},

	// Approval and policy.
	{codes: []int{65001}, class: SignIn, say: "the app's access to the mailbox has not been approved", cure: "sign in and approve it: postern login {account}; if Microsoft asks for an administrator, give them {consent}"},
	{codes: []int{65004}, class: SignIn, say: "the approval was declined", cure: "sign in again and accept: postern login {account}"},
	{codes: []int{90094, 90095}, class: Admin, say: "an administrator of your organisation has to approve the app", cure: "give them this address: {consent}"},
	{codes: []int{50105}, class: Admin, say: "an administrator has to assign you to the app", cure: askAdmin},
	{codes: []int{53000, 53001, 50097, 50129, 50155, 50187}, class: Admin, say: "your organisation's policy wants a device that it manages", cure: askAdmin},
	{codes: []int{53002}, class: Admin, say: "your organisation only allows apps that it has approved", cure: askAdmin},
	{codes: []int{53003, 530032, 50131}, class: Admin, say: "your organisation's policy blocks the sign-in", cure: askAdmin},
	{codes: []int{530035}, class: Admin, say: "your organisation's security defaults block the sign-in", cure: askAdmin},
	{codes: []int{500021, 500022, 50002}, class: Admin, say: "this network only lets other organisations sign in", cure: "use another network, or " + askAdmin},
	{codes: []int{500212, 500213}, class: Admin, say: "the organisation does not let guests in", cure: askAdmin},
	{codes: []int{650052, 650054}, class: Admin, say: "the organisation does not have the mail service", cure: askAdmin},
	{codes: []int{70001, 7000112, 700011}, class: Admin, say: "the app is disabled or missing in the organisation", cure: "check the client id, or " + askAdmin},

	// The app registration and the settings of the account.
	{codes: []int{50011, 500112, 900971, 70004, 90102}, class: Configuration, say: "the redirect address http://localhost is not registered for the app", cure: `add http://localhost under "Mobile and desktop applications" in the app registration`},
	{codes: []int{50012, 700027, 700024}, class: Configuration, say: "Microsoft does not accept the app's certificate", cure: "check that it is uploaded to the app registration, that its key belongs to it, and that this machine's clock is right"},
	{codes: []int{50059, 90019}, class: Configuration, say: "Microsoft can not tell which tenant is meant", cure: "set the account's tenant"},
	{codes: []int{50194}, class: Configuration, say: "the app belongs to one tenant and can not sign in through {tenant}", cure: "set the account's tenant to the app's, or let the app registration have several"},
	{codes: []int{500011}, class: Configuration, say: "the tenant does not know the mail service that the scopes name", cure: "use the scopes of your cloud (provider microsoft365-gcc-high, microsoft365-china); if they are right, the organisation has no Exchange Online"},
	{codes: []int{65002}, class: Configuration, say: "that client id is Microsoft's own and may not be used", cure: "register your own app (docs/microsoft.md)"},
	{codes: []int{65005, 65006, 650056, 650057}, class: Configuration, say: "the app registration lacks a permission", cure: "add the Exchange permissions to the app registration (docs/microsoft.md)"},
	{codes: []int{70011, 28002, 28003, 700022, 700023}, class: Configuration, say: "Microsoft does not accept the scopes together", cure: "leave the mail scopes of one resource in the provider's scopes"},
	{codes: []int{700016}, class: Configuration, say: "there is no app with this client id in the tenant {tenant}", cure: "correct the client id or the tenant, or use the provider of the app's cloud"},
	{codes: []int{700025}, class: Configuration, say: "the app is a public client and must not send a secret", cure: "leave client_secret_file empty"},
	{codes: []int{90023}, say: "Microsoft finds the request wrong for this app", cure: "leave client_secret_file empty if the app is a public client; otherwise check the account's settings"},
	{codes: []int{7000215, 70002}, class: Configuration, say: "the app's secret is wrong", cure: "put the secret's value, not its id, into client_secret_file"},
	{codes: []int{7000222}, class: Configuration, say: "the app's secret has expired", cure: "make a new one in the app registration and put it into client_secret_file"},
	{codes: []int{7000218}, class: Configuration, say: "Microsoft wants a secret, because the app is not registered as a public client", cure: `set "Allow public client flows" to Yes, and have http://localhost under "Mobile and desktop applications"`},
	{codes: []int{70003}, class: Configuration, say: "the app registration does not allow this way of signing in", cure: "check the app registration (docs/microsoft.md)"},
	{codes: []int{700051}, class: Configuration, say: "the app registration does not allow the code flow", cure: "check the app registration (docs/microsoft.md)"},
	{codes: []int{90002}, class: Configuration, say: "the tenant {tenant} does not exist", cure: "correct the account's tenant, or use the provider of its cloud"},
	{codes: []int{90038, 90043}, class: Configuration, say: "the tenant {tenant} is in another national cloud", cure: "use the provider of that cloud"},
	{codes: []int{90124, 90130, 9001023, 9002332}, class: Configuration, say: "the app can not sign in through the tenant {tenant}", cure: `set the account's tenant to "organizations" or your organisation's own`},
	{codes: []int{90027, 500201}, class: Configuration, say: "personal accounts need Microsoft's v2.0 endpoints", cure: "use /oauth2/v2.0/ in the provider's addresses"},
	{codes: []int{90014, 90100, 900144, 9002313}, say: "Microsoft finds the request malformed, or the stored sign-in damaged", cure: "sign in again: postern login {account}; if it stays, check the account's settings"},

	// What passes, and the device code.
	{codes: []int{50033, 90006, 90012, 90024, 90033, 90090, 70012}, class: Retry, say: "Microsoft has a fault that passes", cure: waitForIt},
	{codes: []int{50000, 90036}, class: Retry, say: "Microsoft could not issue a token", cure: "nothing: Postern tries again by itself; if it stays, quote the correlation id to Microsoft"},
	{codes: []int{50196}, class: Retry, say: "Microsoft wants fewer requests and makes us pause", cure: waitForIt, pause: 5 * time.Minute},
	{codes: []int{90055}, class: Retry, say: "Microsoft has too many requests from your organisation", cure: waitForIt, pause: time.Minute},
	{codes: []int{70016}, class: Retry, say: "nobody has entered the code yet", cure: "enter the code on the page that was shown"},
	{codes: []int{70018, 90119, 90120}, class: SignIn, say: "the device code was mistyped or used already", cure: startAgain},
	{codes: []int{70019, 70020}, class: SignIn, say: "the device code was not entered in time", cure: startAgain},
}

// mailRows are found by what IMAP, SMTP and POP servers of Exchange say. Specific texts stand before those that
// they contain.
var mailRows = []row{
	{texts: []string{throttled}, class: Retry, say: "Microsoft slows the mailbox down, because it was used too much", cure: waitForIt, pause: usualBackoff},
	{texts: []string{"User is authenticated but not connected"}, class: Configuration, say: "Microsoft accepted the sign-in but does not open the mailbox",
		cure: "most often another account signed in (postern login {account}), or IMAP is switched off (Outlook.com: Settings, Mail, Forwarding and IMAP; at work the administrator), or a shared mailbox gives you no full access; it also happens for a while when Microsoft has a fault"},
	{texts: []string{"AccessTokenExpired", "Session invalidated"}, class: Refresh, say: "the session ended with its access token", cure: "nothing: the mail program connects again"},
	{texts: []string{"Basic authentication is disabled", "Basic authentication is not supported", "LOGIN failed."}, class: Configuration, say: "the server takes no passwords",
		cure: "Postern never sends one there: a mail program is connected past it"},
	{texts: []string{"SmtpClientAuthentication is disabled"}, class: Admin, say: "sending with a mail program is switched off for the mailbox or the organisation", cure: `the administrator switches on "Authenticated SMTP" for the mailbox (Set-CASMailbox -SmtpClientAuthenticationDisabled $false)`},
	{texts: []string{"SendAsDenied", "5.7.60"}, class: Admin, say: "the mailbox may not send with that sender address", cure: `send with the mailbox's own address, or let the administrator grant "Send As"`},
	{texts: []string{"mailbox logon failure"}, class: Admin, say: "the app may not open this mailbox", cure: "the administrator grants it full access (Add-MailboxPermission, with the object id of the enterprise application)"},
	{texts: []string{"Concurrent connections limit exceeded", "sender thread limit exceeded"}, class: Retry, say: "too many messages are being sent at once", cure: waitForIt},
	{texts: []string{"5.2.2"}, class: Configuration, say: "the mailbox is full", cure: "make room in the mailbox"},
	{texts: []string{"554 5.2.0"}, class: Retry, say: "the mailbox may not send more at the moment", cure: "wait until tomorrow if many messages were sent today", pause: time.Hour},
	{texts: []string{"Token will expire soon", "5.5.127"}, class: Refresh, say: "the server wants an access token with more time left", cure: waitForIt},
	{texts: []string{"Invalid XOAUTH2 auth data", "5.5.124"}, class: Refresh, say: "the server does not understand the access token", cure: "check the mailbox name and the scopes: postern check {account}"},
	{texts: []string{"command line too long", "5.5.2 Syntax error"}, class: Configuration, say: "the server does not take access tokens of this length", cure: "report it: Postern should have sent it in two steps"},
	{texts: []string{"AUTHENTICATE failed", "Authentication unsuccessful", "unknown user name or bad password", "Invalid credentials"}, class: Refresh,
		say: "the mail server refused the access token and does not say why", cure: "postern check {account} goes through the causes: another account signed in, wrong scopes, IMAP or SMTP switched off, no right to the mailbox"},
	{texts: []string{"Protocol error. Connection is closed. 10"}, class: Configuration, say: "the POP server refused the form of the login; it does so when the access token is longer than 4096 characters", cure: "use IMAP for this account"},
	{texts: []string{"Server Unavailable. 15"}, class: Retry, say: "the mail server is overloaded", cure: waitForIt},
	{texts: []string{"Connection is closed. 13", "Connection closed. 14"}, class: Retry, say: "the mail server ended the connection", cure: "nothing: the mail program connects again"},
	{texts: []string{"Command received in Invalid state"}, class: Retry, say: "the login got out of step with the mail server", cure: waitForIt},
	{texts: []string{"Command Error. 10", "Command Argument Error"}, class: Configuration, say: "the mail server does not take that command", cure: "the mail program asks for something that Exchange does not have"},
	{texts: []string{"IMAP4 server signing off", "server is shutting down"}, class: Retry, say: "the mail server said goodbye", cure: "nothing: the mail program connects again"},
}
