package proxy

// refusedVerb is a command that no server knows.
const refusedVerb = "XPOSTERN"

// smtpAfterLogin keeps a second login and its password from the upstream, and STARTTLS, which the client
// means for us.
func smtpAfterLogin(verb []byte) lineRuling {
	switch {
	case is(verb, "AUTH"), is(verb, "STARTTLS"):
		return lineRuling{instead: refusedVerb}
	case is(verb, "DATA"):
		return lineRuling{known: true, follow: followContent}
	case is(verb, "BDAT"):
		return lineRuling{known: true, follow: followOctets}
	}
	return lineRuling{known: isAny(verb, "HELO", "EHLO", "MAIL", "RCPT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "ETRN", "BURL")}
}

func smtpGoodbye(why string) []byte {
	return []byte("421 4.3.2 " + responseText("Postern: "+why) + "\r\n")
}

func pop3AfterLogin(verb []byte) lineRuling {
	for _, v := range []string{"USER", "PASS", "AUTH", "APOP", "STLS"} {
		if is(verb, v) {
			return lineRuling{instead: refusedVerb}
		}
	}
	return lineRuling{known: isAny(verb, "STAT", "LIST", "RETR", "DELE", "NOOP", "RSET", "QUIT", "TOP", "UIDL", "LAST", "CAPA", "UTF8", "LANG")}
}

// pop3ReadOnly keeps messages from being deleted, too.
func pop3ReadOnly(verb []byte) lineRuling {
	if is(verb, "DELE") {
		return lineRuling{instead: refusedVerb}
	}
	return pop3AfterLogin(verb)
}
