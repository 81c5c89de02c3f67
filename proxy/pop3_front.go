package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// pop3Front is what a POP3 client talks to before login.
type pop3Front struct {
	w       *wire
	o       frontOptions
	bad     int
	secured bool
	user    string // of USER, waiting for PASS
}

func (f *pop3Front) greet() error { return f.w.writeLine("+OK Postern ready") }

func (f *pop3Front) bye(why string) { f.w.writeLine("-ERR [SYS/TEMP] " + responseText(why)) }

func (f *pop3Front) login() (offer, error) {
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
		o, offered, err := f.command(verb, rest)
		if err != nil || offered {
			return o, err
		}
	}
}

func (f *pop3Front) command(verb, rest string) (o offer, offered bool, err error) {
	switch verb {
	case "CAPA":
		return o, false, f.w.write([]byte(f.capabilities()))
	case "QUIT":
		f.w.writeLine("+OK goodbye")
		return o, false, errLeft
	case "STLS":
		return o, false, f.startTLS()
	case "USER", "PASS", "AUTH":
		if f.o.needTLS && !f.secured {
			return o, false, f.w.writeLine("-ERR STLS first: the password would travel in the clear")
		}
	}
	switch verb {
	case "USER":
		if rest == "" {
			return o, false, f.reject("USER takes a name")
		}
		f.user = rest
		return o, false, f.w.writeLine("+OK now the password")
	case "PASS":
		if f.user == "" {
			return o, false, f.reject("USER first")
		}
		o, f.user = newOffer(f.user, rest), "" // a password may have spaces (RFC 1939 section 7)
		return o, true, nil
	case "AUTH":
		return f.auth(rest)
	}
	return o, false, f.reject("unknown command, or one for after login")
}

func (f *pop3Front) capabilities() string {
	caps := "+OK what Postern can do before login\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	if f.o.startTLS != nil && !f.secured {
		caps += "STLS\r\n"
	}
	if !f.o.needTLS || f.secured {
		caps += "USER\r\nSASL PLAIN LOGIN\r\n"
	}
	return caps + ".\r\n"
}

func (f *pop3Front) reject(why string) error {
	if err := f.w.writeLine("-ERR " + why); err != nil {
		return err
	}
	if f.bad++; f.bad > f.o.badCommands {
		return errTooManyBad
	}
	return nil
}

// startTLS follows RFC 2595 section 4.
func (f *pop3Front) startTLS() error {
	if f.o.startTLS == nil || f.secured {
		return f.reject("STLS is not offered here")
	}
	if f.w.buffered() > 0 {
		f.w.writeLine("-ERR data behind STLS")
		return errOutOfStep
	}
	if err := f.w.writeLine("+OK begin TLS"); err != nil {
		return err
	}
	if err := f.o.startTLS(); err != nil {
		return fmt.Errorf("TLS with the client: %w", err)
	}
	f.secured, f.user = true, ""
	return nil
}

func (f *pop3Front) auth(rest string) (offer, bool, error) {
	if rest == "" { // an old way to ask what there is
		return offer{}, false, f.w.write([]byte("+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n"))
	}
	mechanism, first, hasFirst := strings.Cut(rest, " ")
	user, password, err := takeCredentials(mechanism, first, hasFirst, f.challenge)
	if bad, ok := errors.AsType[badSASL](err); ok {
		return offer{}, false, f.reject(string(bad))
	}
	if errors.Is(err, errNoMechanism) {
		return offer{}, false, f.w.writeLine("-ERR " + err.Error())
	}
	if err != nil {
		return offer{}, false, err
	}
	return newOffer(user, password), true, nil
}

func (f *pop3Front) challenge(base64 string) (string, error) {
	if err := f.w.writeLine("+ " + base64); err != nil {
		return "", err
	}
	line, err := f.w.readLine()
	return string(line), err
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
		return f.w.writeLine(fmt.Sprintf("-ERR [SYS/TEMP] %s; try again in %d s", text, seconds(r.until)))
	case refuseLimit:
		return f.w.writeLine("-ERR [IN-USE] " + text)
	}
	return f.w.writeLine("-ERR [SYS/PERM] " + text)
}
