package proxy

import (
	"errors"
	"fmt"
)

// imapFront is what an IMAP client talks to before login. It answers everything itself: nothing that a
// client says before login is passed upstream, in whatever shape it comes.
type imapFront struct {
	w       *wire
	o       frontOptions
	tag     string // of the offer that waits for its answer
	bad     int
	secured bool
}

// capabilities before login. LITERAL+ and LITERAL- are accepted but not named: a client that keeps this
// list would use them against an upstream that may lack them.
func (f *imapFront) capabilities() string {
	caps := "IMAP4rev1 SASL-IR ID"
	if f.o.startTLS != nil && !f.secured {
		caps += " STARTTLS"
		if f.o.needTLS {
			return caps + " LOGINDISABLED"
		}
	}
	return caps + " AUTH=PLAIN AUTH=LOGIN"
}

func (f *imapFront) greet() error {
	return f.w.writeLine("* OK [CAPABILITY " + f.capabilities() + "] Postern ready")
}

func (f *imapFront) bye(why string) { f.w.writeLine("* BYE " + responseText(why)) }

func (f *imapFront) login() (offer, error) {
	for {
		c, err := f.readCommand()
		switch {
		case errors.Is(err, errTooBig), errors.Is(err, errNoCommand):
			if err := f.countBad(); err != nil {
				return offer{}, err
			}
			continue
		case err != nil:
			return offer{}, err
		}
		f.o.note("command", "name", commandName(c.name))
		o, offered, err := f.command(c)
		if err != nil || offered {
			return o, err
		}
	}
}

// command answers one command; offered says that it brought credentials.
func (f *imapFront) command(c *imapCommand) (o offer, offered bool, err error) {
	switch c.name {
	case "CAPABILITY":
		return o, false, f.w.write([]byte("* CAPABILITY " + f.capabilities() + "\r\n" + c.tag + " OK CAPABILITY completed\r\n"))
	case "NOOP":
		return o, false, f.w.writeLine(c.tag + " OK NOOP completed")
	case "ID":
		return o, false, f.w.write([]byte("* ID (\"name\" \"Postern\")\r\n" + c.tag + " OK ID completed\r\n"))
	case "LOGOUT":
		f.w.write([]byte("* BYE goodbye\r\n" + c.tag + " OK LOGOUT completed\r\n"))
		return o, false, errLeft
	case "STARTTLS":
		return o, false, f.startTLS(c)
	case "LOGIN":
		if f.o.needTLS && !f.secured {
			return o, false, f.w.writeLine(c.tag + " NO [PRIVACYREQUIRED] STARTTLS first: the password would travel in the clear")
		}
		return f.loginCommand(c)
	case "AUTHENTICATE":
		if f.o.needTLS && !f.secured {
			return o, false, f.w.writeLine(c.tag + " NO [PRIVACYREQUIRED] STARTTLS first: the password would travel in the clear")
		}
		return f.authenticate(c)
	}
	return o, false, f.reject(c.tag, "unknown command, or one for after login")
}

func (f *imapFront) reject(tag, why string) error {
	if err := f.w.writeLine(tag + " BAD " + why); err != nil {
		return err
	}
	return f.countBad()
}

func (f *imapFront) countBad() error {
	if f.bad++; f.bad > f.o.badCommands {
		return errTooManyBad
	}
	return nil
}

func (f *imapFront) loginCommand(c *imapCommand) (offer, bool, error) {
	args := c.arguments()
	user, ok1 := args.astring()
	password, ok2 := args.astring()
	if !ok1 || !ok2 || !args.done() {
		return offer{}, false, f.reject(c.tag, "LOGIN takes a user name and a password")
	}
	return f.offer(c.tag, user, password)
}

func (f *imapFront) offer(tag, user, password string) (offer, bool, error) {
	f.tag = tag
	return newOffer(user, password), true, nil
}

// startTLS follows RFC 9051 section 6.2.1. Bytes that came behind the command came without TLS: whoever
// put them there wants them taken for the client's own.
func (f *imapFront) startTLS(c *imapCommand) error {
	if f.o.startTLS == nil || f.secured {
		return f.reject(c.tag, "STARTTLS is not offered here")
	}
	if f.w.buffered() > 0 {
		f.w.writeLine(c.tag + " BAD data behind STARTTLS")
		return errOutOfStep
	}
	if err := f.w.writeLine(c.tag + " OK begin TLS"); err != nil {
		return err
	}
	if err := f.o.startTLS(); err != nil {
		return fmt.Errorf("TLS with the client: %w", err)
	}
	f.secured = true
	return nil
}

// authenticate takes PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), each with the first answer
// in the command (RFC 4959) or after a challenge.
func (f *imapFront) authenticate(c *imapCommand) (offer, bool, error) {
	args := c.arguments()
	mechanism, ok := args.astring()
	first := ""
	hasFirst := !args.done()
	if hasFirst {
		first, ok = args.astring()
		ok = ok && args.done()
	}
	if !ok {
		return offer{}, false, f.reject(c.tag, "AUTHENTICATE takes a mechanism")
	}
	user, password, err := takeCredentials(mechanism, first, hasFirst, f.challenge)
	if bad, ok := errors.AsType[badSASL](err); ok {
		return offer{}, false, f.reject(c.tag, string(bad))
	}
	if errors.Is(err, errNoMechanism) {
		return offer{}, false, f.w.writeLine(c.tag + " NO [CANNOT] " + err.Error())
	}
	if err != nil {
		return offer{}, false, err
	}
	return f.offer(c.tag, user, password)
}

// challenge asks and returns the client's line. An empty challenge is "+ " with the space: some clients
// do not take a bare "+" (himalaya, 2025).
func (f *imapFront) challenge(base64 string) (string, error) {
	if err := f.w.writeLine("+ " + base64); err != nil {
		return "", err
	}
	line, err := f.w.readLine()
	return string(line), err
}

func (f *imapFront) accept(w welcome) error {
	answer := append([]byte(nil), w.lines...)
	answer = append(answer, f.tag+" OK "...)
	if w.after != "" {
		answer = append(answer, "[CAPABILITY "+forClient(w.after)+"] "...)
	}
	answer = append(answer, w.text+"\r\n"...)
	return f.w.write(answer)
}

func (f *imapFront) refuse(r refusal) error {
	return f.w.writeLine(f.tag + " NO " + imapRefusal(r))
}
