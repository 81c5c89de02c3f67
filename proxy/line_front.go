package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// lineFront is what the fronts of SMTP and POP3 share: commands are lines, a verb and its arguments.
type lineFront struct {
	w       *wire
	o       frontOptions
	say     lineWords
	bad     int
	secured bool
}

// lineWords are a protocol's answers.
type lineWords struct {
	goAhead     string // to STARTTLS
	noTLS       string // STARTTLS is not offered
	behindTLS   string // data came behind it
	badSASL     string // before the reason
	noMechanism string // before the reason
	challenge   string // before the challenge in base64
}

// commands hands each command to answer until one brings credentials.
func (f *lineFront) commands(answer func(verb, rest string) (offer, bool, error)) (offer, error) {
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
		o, offered, err := answer(verb, rest)
		if err != nil || offered {
			return o, err
		}
	}
}

// reject answers nonsense, of which there may be only so much.
func (f *lineFront) reject(answer string) error {
	if err := f.w.writeLine(answer); err != nil {
		return err
	}
	if f.bad++; f.bad > f.o.badCommands {
		return errTooManyBad
	}
	return nil
}

// needsTLS says whether a password may not be sent yet.
func (f *lineFront) needsTLS() bool { return f.o.needTLS && !f.secured }

// offersTLS says whether TLS can begin.
func (f *lineFront) offersTLS() bool { return f.o.startTLS != nil && !f.secured }

// startTLS begins TLS (RFC 3207, RFC 2595 section 4). Bytes that came behind the command came without TLS:
// whoever put them there wants them taken for the client's own.
func (f *lineFront) startTLS() error {
	if !f.offersTLS() {
		return f.reject(f.say.noTLS)
	}
	if f.w.buffered() > 0 {
		f.w.writeLine(f.say.behindTLS)
		return errOutOfStep
	}
	if err := f.w.writeLine(f.say.goAhead); err != nil {
		return err
	}
	if err := f.o.startTLS(); err != nil {
		return fmt.Errorf("TLS with the client: %w", err)
	}
	f.secured = true
	return nil
}

// auth takes the arguments of AUTH (RFC 4954, RFC 5034).
func (f *lineFront) auth(args string) (offer, bool, error) {
	mechanism, first, hasFirst := strings.Cut(args, " ")
	user, password, err := takeCredentials(mechanism, strings.TrimSpace(first), hasFirst, f.challenge)
	if bad, ok := errors.AsType[badSASL](err); ok {
		return offer{}, false, f.reject(f.say.badSASL + string(bad))
	}
	if errors.Is(err, errNoMechanism) {
		return offer{}, false, f.w.writeLine(f.say.noMechanism + err.Error())
	}
	if err != nil {
		return offer{}, false, err
	}
	return newOffer(user, password), true, nil
}

func (f *lineFront) challenge(base64 string) (string, error) {
	if err := f.w.writeLine(f.say.challenge + base64); err != nil {
		return "", err
	}
	line, err := f.w.readLine()
	return string(line), err
}
