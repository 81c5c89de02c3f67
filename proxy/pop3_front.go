package proxy

// pop3Front is what a POP3 client talks to before login.
type pop3Front struct {
	lineFront
	user string // of USER, waiting for PASS
}

func newPOP3Front(w *wire, o frontOptions) *pop3Front {
	return &pop3Front{lineFront: lineFront{w: w, o: o, say: lineWords{
		goAhead: "+OK begin TLS", noTLS: "-ERR STLS is not offered here", behindTLS: "-ERR data behind STLS",
		badSASL: "-ERR ", noMechanism: "-ERR ", challenge: "+ ",
	}}}
}

func (f *pop3Front) greet() error { return f.w.writeLine("+OK Postern ready") }

func (f *pop3Front) bye(why string) { f.w.writeLine("-ERR [SYS/TEMP] " + responseText(why)) }

func (f *pop3Front) login() (offer, error) { return f.commands(f.command) }

func (f *pop3Front) command(verb, rest string) (o offer, offered bool, err error) {
	switch verb {
	case "CAPA":
		return o, false, f.w.write([]byte(f.capabilities()))
	case "QUIT":
		f.w.writeLine("+OK goodbye")
		return o, false, errLeft
	case "STLS":
		f.user = ""
		return o, false, f.startTLS()
	case "USER", "PASS", "AUTH":
		if f.needsTLS() {
			return o, false, f.w.writeLine("-ERR STLS first: the password would travel in the clear")
		}
	}
	switch verb {
	case "USER":
		if rest == "" {
			return o, false, f.reject("-ERR USER takes a name")
		}
		f.user = rest
		return o, false, f.w.writeLine("+OK now the password")
	case "PASS":
		if f.user == "" {
			return o, false, f.reject("-ERR USER first")
		}
		o, f.user = newOffer(f.user, rest), "" // a password may have spaces (RFC 1939 section 7)
		return o, true, nil
	case "AUTH":
		if rest == "" { // an old way to ask what there is
			return o, false, f.w.write([]byte("+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n"))
		}
		return f.auth(rest)
	}
	return o, false, f.reject("-ERR unknown command, or one for after login")
}

func (f *pop3Front) capabilities() string {
	caps := "+OK what Postern can do before login\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	if f.offersTLS() {
		caps += "STLS\r\n"
	}
	if !f.needsTLS() {
		caps += "USER\r\nSASL PLAIN LOGIN\r\n"
	}
	return caps + ".\r\n"
}

func (f *pop3Front) accept(w welcome) error {
	return f.w.write(append(append([]byte("+OK "), w.text...), "\r\n"...))
}

// refuse uses RFC 3206: [AUTH] for the local password, [SYS/TEMP] for what passes, [SYS/PERM] for what a
// person must mend.
func (f *pop3Front) refuse(r refusal) error {
	text := responseText(r.say)
	switch r.kind {
	case refusePassword:
		return f.w.writeLine("-ERR [AUTH] " + text)
	case refuseLater:
		return f.w.writeLine("-ERR [SYS/TEMP] " + text + r.whenToRetry())
	case refuseLimit:
		return f.w.writeLine("-ERR [IN-USE] " + text)
	}
	return f.w.writeLine("-ERR [SYS/PERM] " + text)
}
