package proxy

// imapRefusal is a refusal in IMAP's words: what follows "NO " (RFC 5530). [AUTHENTICATIONFAILED] is kept
// for the local password, because clients answer it by asking the person for another one.
func imapRefusal(r refusal) string {
	text := responseText(r.say)
	switch r.kind {
	case refusePassword:
		return "[AUTHENTICATIONFAILED] " + text
	case refuseLater:
		return "[UNAVAILABLE] " + text + r.whenToRetry()
	case refuseLimit:
		return "[LIMIT] " + text
	case refuseNotAllowed:
		return "[NOPERM] " + text
	case refuseAdmin:
		return "[CONTACTADMIN] " + text
	}
	return "[ALERT] " + text // a person has to read it
}
