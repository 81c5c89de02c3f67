package proxy

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"postern/auth"
)

// POP3 is the front, the upstream login and the tap of RFC 1939, with CAPA (RFC 2449), STLS (RFC 2595),
// AUTH (RFC 5034) and the response codes of RFC 3206.
func POP3() Protocol { return pop3{} }

type pop3 struct{}

func (pop3) name() string                         { return "pop3" }
func (pop3) address(p auth.Provider) string       { return p.POP3 }
func (pop3) offers(auth.Provider) string          { return "" }
func (pop3) implicitTLS(string) bool              { return true }
func (pop3) client(w *wire, o frontOptions) front { return newPOP3Front(w, o) }

func (pop3) watch(login auth.Login, _ func(string)) tap {
	if login.ReadOnly {
		return newLineTap(pop3ReadOnly, nil)
	}
	return newLineTap(pop3AfterLogin, nil)
}

// begin goes through the greeting to the server's mechanisms.
func (pop3) begin(w *wire, o upstreamOptions) (begun, error) {
	l := &pop3Login{w: w, server: o.server, mechanisms: o.offers}
	greeting, err := l.reply()
	if err != nil {
		return nil, err
	}
	if !greeting.ok {
		return nil, said("no", greeting.text)
	}
	if l.mechanisms == "" {
		l.mechanisms, err = l.capabilities()
	}
	return l, err
}

type pop3Login struct {
	w          *wire
	server     string
	mechanisms string // behind SASL in CAPA; "" when the server does not tell
}

// login uses the two lines that Exchange insists on (seen 2020 to 2026: one line is "Protocol error").
func (l *pop3Login) login(c credentials) (welcome, error) {
	text, err := l.authenticate(c.mechanism(l.mechanisms, l.server))
	if refused, ok := errors.AsType[*tokenRefused](err); ok {
		err = tooLong(c.token, refused)
	}
	return welcome{text: text, before: l.mechanisms}, err
}

type pop3Reply struct {
	ok, more bool // +OK, or + and a challenge
	text     string
}

func (l *pop3Login) reply() (pop3Reply, error) {
	line, err := l.w.readLine()
	if err != nil {
		return pop3Reply{}, err
	}
	status, text, _ := strings.Cut(string(line), " ")
	switch strings.ToUpper(status) {
	case "+OK":
		return pop3Reply{ok: true, text: printable(text)}, nil
	case "+":
		return pop3Reply{more: true, text: text}, nil
	case "-ERR":
		return pop3Reply{text: printable(text)}, nil
	}
	return pop3Reply{}, errors.New("upstream does not speak POP3: " + printable(string(line)))
}

// capabilities returns the mechanisms of CAPA, "" when the server does not tell.
func (l *pop3Login) capabilities() (mechanisms string, err error) {
	if err := l.w.writeLine("CAPA"); err != nil {
		return "", err
	}
	r, err := l.reply()
	if err != nil || !r.ok {
		return "", err
	}
	for range maxReplies {
		line, err := l.w.readLine()
		if err != nil {
			return "", err
		}
		if string(line) == "." {
			return mechanisms, nil
		}
		if list, ok := bytes.CutPrefix(bytes.ToUpper(line), []byte("SASL ")); ok {
			mechanisms = string(list)
		}
	}
	return "", errTalksTooMuch
}

// longToken is a length from which Exchange's POP3 was seen to refuse tokens (since July 2025, open).
const longToken = 4096

func (l *pop3Login) authenticate(m saslProof) (text string, err error) {
	if err := l.w.writeLine("AUTH " + m.name); err != nil {
		return "", err
	}
	r, err := l.reply()
	if err != nil {
		return "", err
	}
	if !r.more {
		return "", said("no to AUTH "+m.name, r.text)
	}
	answer, reason := m.proof.Reveal(), ""
	for {
		if err := l.w.writeLine(answer); err != nil {
			return "", err
		}
		r, err := l.reply()
		switch {
		case err != nil:
			return "", err
		case r.ok:
			return r.text, nil
		case r.more && reason == "":
			b, _ := base64.StdEncoding.DecodeString(r.text)
			reason, answer = printable(string(b))+" ", m.ifFailed
		default:
			return "", l.refused(r, reason)
		}
	}
}

func (l *pop3Login) refused(r pop3Reply, reason string) error {
	return &tokenRefused{text: "-ERR " + r.text, challenge: strings.TrimSpace(reason)}
}

// tooLong names a likely reason that the server does not.
func tooLong(token auth.Secret, refused *tokenRefused) error {
	n := len(token.Reveal())
	if n <= longToken {
		return refused
	}
	return &auth.Problem{Class: auth.Admin, Code: "pop3-long-token", Err: refused,
		Say:  fmt.Sprintf("the server refused a token of %d characters, and Exchange's POP3 was seen to refuse more than %d", n, longToken),
		Cure: "use IMAP for this mailbox"}
}

func (pop3) allows(login auth.Login) error { return reads(login) }

func (pop3) places(l Limits) int { return l.PerMailbox }
