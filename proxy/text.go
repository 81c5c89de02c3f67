package proxy

import (
	"slices"
	"strings"
)

// responseText makes text fit for a response line: text of others (a provider's, an upstream's) could
// otherwise end the line and begin another. Non-ASCII is not allowed there (RFC 9051 section 9, TEXT-CHAR;
// RFC 5321 section 4.2).
func responseText(s string) string {
	const most = 400
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case r == '—' || r == '–':
			return '-'
		case r == '’' || r == '‘':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
}

// printable keeps a client's user name from drawing on the terminal that shows the log.
func printable(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most]
	}
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// commandName is a command's name for the log. One that no client has is not shown: a client that is out of
// step sends its password where a command should be.
func commandName(name string) string {
	if slices.Contains(loggedNames, name) {
		return name
	}
	return "unknown"
}

// loggedNames are what clients are known to send before login, and for which they get an answer or a BAD.
var loggedNames = strings.Fields(`
	CAPABILITY NOOP ID LOGOUT STARTTLS LOGIN AUTHENTICATE ENABLE NAMESPACE SELECT EXAMINE LIST LSUB STATUS IDLE COMPRESS CHECK CLOSE
	HELO EHLO LHLO RSET QUIT AUTH MAIL RCPT DATA BDAT VRFY EXPN ETRN HELP XCLIENT
	CAPA STLS USER PASS APOP STAT UIDL RETR DELE TOP LAST XTND`)
