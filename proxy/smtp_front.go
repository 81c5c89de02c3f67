package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// smtpFront is what a submission client talks to before login.
type smtpFront struct {
	w       *wire
	o       frontOptions
	bad     int
	secured bool
	hello   string // what the client calls itself
}

func (f *smtpFront) greet() error { return f.w.writeLine("220 localhost ESMTP Postern ready") }

func (f *smtpFront) bye(why string) { f.w.writeLine("421 4.3.2 " + responseText(why)) }

func (f *smtpFront) login() (offer, error) {
	for {
		line, err := f.w.readLine()
		if err != nil {
			return offer{}, err
		}
		if bytes.ContainsAny(line, "\x00\r") {
			return offer{}, errOutOfStep
		}
		verb, rest, _ := strings.Cut(string(line), " ")
		verb = strings.ToUpper(verb)
		if isHTTP([]byte(verb)) {
			return offer{}, errOutOfStep
		}
		f.o.note("command", "name", commandName(verb))
		o, offered, err := f.command(verb, strings.TrimSpace(rest))
		if err != nil || offered {
			return o, err
		}
	}
}

func (f *smtpFront) command(verb, rest string) (o offer, offered bool, err error) {
	switch verb {
	case "EHLO":
		f.hello = rest
		return o, false, f.w.write([]byte(f.features()))
	case "HELO":
		f.hello = rest
		return o, false, f.w.writeLine("250 localhost")
	case "NOOP", "RSET":
		return o, false, f.w.writeLine("250 2.0.0 OK")
	case "QUIT":
		f.w.writeLine("221 2.0.0 goodbye")
		return o, false, errLeft
	case "STARTTLS":
		return o, false, f.startTLS()
	case "AUTH":
		return f.auth(rest)
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
	if f.o.startTLS != nil && !f.secured {
		lines = append(lines, "STARTTLS")
	}
	if !f.o.needTLS || f.secured {
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

func (f *smtpFront) reject(answer string) error {
	if err := f.w.writeLine(answer); err != nil {
		return err
	}
	if f.bad++; f.bad > f.o.badCommands {
		return errTooManyBad
	}
	return nil
}

// startTLS follows RFC 3207; what is known of the client from before is forgotten.
func (f *smtpFront) startTLS() error {
	if f.o.startTLS == nil || f.secured {
		return f.reject("502 5.5.1 STARTTLS is not offered here")
	}
	if f.w.buffered() > 0 {
		f.w.writeLine("501 5.5.4 data behind STARTTLS")
		return errOutOfStep
	}
	if err := f.w.writeLine("220 2.0.0 begin TLS"); err != nil {
		return err
	}
	if err := f.o.startTLS(); err != nil {
		return fmt.Errorf("TLS with the client: %w", err)
	}
	f.secured, f.hello = true, ""
	return nil
}

func (f *smtpFront) auth(rest string) (offer, bool, error) {
	if f.o.needTLS && !f.secured {
		return offer{}, false, f.w.writeLine("538 5.7.11 STARTTLS first: the password would travel in the clear")
	}
	mechanism, first, hasFirst := strings.Cut(rest, " ")
	user, password, err := takeCredentials(mechanism, strings.TrimSpace(first), hasFirst, f.challenge)
	if bad, ok := errors.AsType[badSASL](err); ok {
		return offer{}, false, f.reject("501 5.5.2 " + string(bad))
	}
	if errors.Is(err, errNoMechanism) {
		return offer{}, false, f.w.writeLine("504 5.5.4 " + err.Error())
	}
	if err != nil {
		return offer{}, false, err
	}
	return newOffer(user, password), true, nil
}

func (f *smtpFront) challenge(base64 string) (string, error) {
	if err := f.w.writeLine("334 " + base64); err != nil {
		return "", err
	}
	line, err := f.w.readLine()
	return string(line), err
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
		return f.w.writeLine(fmt.Sprintf("454 4.7.0 %s; try again in %d s", text, seconds(r.until)))
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
