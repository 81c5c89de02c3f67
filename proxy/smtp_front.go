package proxy

import "strings"

// smtpFront is what a submission client talks to before login.
type smtpFront struct{ lineFront }

func newSMTPFront(w *wire, o frontOptions) *smtpFront {
	return &smtpFront{lineFront{w: w, o: o, say: lineWords{
		goAhead: "220 2.0.0 begin TLS", noTLS: "502 5.5.1 STARTTLS is not offered here", behindTLS: "501 5.5.4 data behind STARTTLS",
		badSASL: "501 5.5.2 ", noMechanism: "504 5.5.4 ", challenge: "334 ",
	}}}
}

func (f *smtpFront) greet() error { return f.w.writeLine("220 localhost ESMTP Postern ready") }

func (f *smtpFront) bye(why string) { f.w.writeLine("421 4.3.2 " + responseText(why)) }

func (f *smtpFront) login() (offer, error) { return f.commands(f.command) }

func (f *smtpFront) command(verb, rest string) (o offer, offered bool, err error) {
	switch verb {
	case "EHLO":
		return o, false, f.w.write([]byte(f.features()))
	case "HELO":
		return o, false, f.w.writeLine("250 localhost")
	case "NOOP", "RSET":
		return o, false, f.w.writeLine("250 2.0.0 OK")
	case "QUIT":
		f.w.writeLine("221 2.0.0 goodbye")
		return o, false, errLeft
	case "STARTTLS":
		return o, false, f.startTLS()
	case "AUTH":
		if f.needsTLS() {
			return o, false, f.w.writeLine("538 5.7.11 STARTTLS first: the password would travel in the clear")
		}
		return f.auth(strings.TrimSpace(rest))
	case "MAIL", "RCPT", "DATA", "BDAT", "VRFY", "EXPN", "ETRN":
		return o, false, f.w.writeLine("530 5.7.0 log in first, with the local password")
	}
	return o, false, f.reject("500 5.5.1 unknown command")
}

// features answers EHLO. Most clients do not ask again after AUTH, so what is offered here must be what
// the upstream can do: what it offered last time, or before that what every submission server can.
func (f *smtpFront) features() string {
	lines := []string{"localhost"}
	lines = append(lines, f.o.known...)
	if f.offersTLS() {
		lines = append(lines, "STARTTLS")
	}
	if !f.needsTLS() {
		lines = append(lines, "AUTH PLAIN LOGIN")
	}
	var b strings.Builder
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		b.WriteString("250" + sep + l + "\r\n")
	}
	return b.String()
}

func (f *smtpFront) accept(w welcome) error {
	return f.w.write(append(append([]byte("235 "), w.text...), "\r\n"...))
}

// refuse uses the codes of RFC 4954 section 6. 535 makes clients ask for another password, so it is kept for
// that and for what no retry mends; what passes, or what a person mends elsewhere, is 454: the client
// keeps the message.
func (f *smtpFront) refuse(r refusal) error {
	text := responseText(r.say)
	switch r.kind {
	case refusePassword:
		return f.w.writeLine("535 5.7.8 " + text)
	case refuseLater:
		return f.w.writeLine("454 4.7.0 " + text + r.whenToRetry())
	case refuseLimit:
		return f.w.writeLine("454 4.3.2 " + text)
	case refuseSignIn:
		return f.w.writeLine("454 4.7.0 " + text)
	case refuseAdmin:
		return f.w.writeLine("535 5.7.139 " + text)
	case refuseNotAllowed:
		return f.w.writeLine("535 5.7.1 " + text)
	}
	return f.w.writeLine("535 5.7.0 " + text)
}
