package proxy

import "strings"

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
