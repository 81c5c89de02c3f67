package proxy

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"postern/auth"
)

// begin goes from the greeting over STARTTLS to the server's features.
func (smtp) begin(w *wire, o upstreamOptions) (begun, error) {
	l := &smtpLogin{w: w, o: o}
	if _, err := l.reply(220); err != nil {
		return nil, err
	}
	return l, l.secure()
}

type smtpLogin struct {
	w        *wire
	o        upstreamOptions
	features []string
}

// login proves the token. It goes in a line of its own, after the server has asked: with the command it
// would be longer than a command line may be (RFC 4954 section 4), and Microsoft's personal accounts
// refused it there in 2023.
func (l *smtpLogin) login(c credentials) (welcome, error) {
	text, err := l.authenticate(c)
	return welcome{text: text, before: strings.Join(l.features, "\n")}, err
}

// smtpReply is one reply: its code, and the text of each line.
type smtpReply struct {
	code  int
	lines []string
}

func (r smtpReply) text() string { return strings.Join(r.lines, " ") }

// reply reads a reply and wants a code.
func (l *smtpLogin) reply(want int) (smtpReply, error) {
	r, err := readSMTPReply(l.w)
	if err == nil && r.code != want {
		err = said(strconv.Itoa(r.code), printable(r.text()))
	}
	return r, err
}

func readSMTPReply(w *wire) (r smtpReply, err error) {
	for range 200 {
		line, err := w.readLine()
		if err != nil {
			return r, err
		}
		code, err := strconv.Atoi(string(line[:min(3, len(line))]))
		if err != nil || code < 200 || code > 599 || r.code != 0 && code != r.code {
			return r, errors.New("upstream does not speak SMTP: " + printable(string(line)))
		}
		r.code = code
		if len(line) <= 4 {
			r.lines = append(r.lines, "")
		} else {
			r.lines = append(r.lines, string(line[4:]))
		}
		if len(line) < 4 || line[3] != '-' {
			return r, nil
		}
	}
	return r, errTalksTooMuch
}

func (l *smtpLogin) command(line string, want int) (smtpReply, error) {
	if err := l.w.writeLine(line); err != nil {
		return smtpReply{}, err
	}
	return l.reply(want)
}

// secure starts TLS, without which no token is shown, and asks again what the server can do (RFC 3207 section 4.2).
func (l *smtpLogin) secure() error {
	const ehlo = "EHLO localhost" // the client's own name is for its own EHLO, which may follow
	hello, err := l.command(ehlo, 250)
	if err != nil {
		return err
	}
	if _, secured := l.w.conn.(*tls.Conn); secured {
		l.features = hello.lines[1:]
		return nil
	}
	if _, ok := feature(hello.lines, "STARTTLS"); !ok {
		return &auth.Problem{Class: auth.Configuration, Code: "no-starttls", Say: l.o.server + " does not offer STARTTLS",
			Cure: "smtp in the provider's table is the server's STARTTLS port, usually 587"}
	}
	if _, err := l.command("STARTTLS", 220); err != nil {
		return err
	}
	if err := l.o.startTLS(); err != nil {
		return err
	}
	if hello, err = l.command(ehlo, 250); err != nil {
		return err
	}
	if len(hello.lines) > 0 {
		l.features = hello.lines[1:]
	}
	return nil
}

// feature finds a keyword of EHLO and returns its parameters.
func feature(lines []string, keyword string) (params string, ok bool) {
	for _, line := range lines {
		k, params, _ := strings.Cut(line, " ")
		if strings.EqualFold(k, keyword) {
			return params, true
		}
	}
	return "", false
}

func (l *smtpLogin) authenticate(c credentials) (text string, err error) {
	offered, _ := feature(l.features, "AUTH")
	m := c.mechanism(offered, l.o.server)
	if _, err := l.command("AUTH "+m.name, 334); err != nil {
		return "", err
	}
	if err := l.w.writeLine(m.proof.Reveal()); err != nil {
		return "", err
	}
	reason := ""
	for {
		r, err := readSMTPReply(l.w)
		switch {
		case err != nil:
			return "", err
		case r.code == 235:
			return responseText(r.text()), nil
		case r.code == 334 && reason == "":
			b, _ := base64.StdEncoding.DecodeString(r.text())
			reason = printable(string(b)) + " "
			if err := l.w.writeLine(m.ifFailed); err != nil {
				return "", err
			}
		default:
			return "", l.refused(r, reason)
		}
	}
}

// refused tells a no to the token from a switch that is off and from a no for now.
func (l *smtpLogin) refused(r smtpReply, reason string) error {
	text := strconv.Itoa(r.code) + " " + printable(r.text())
	if p, ok := auth.Explain(text); ok && p.Class != auth.Refresh {
		p.Err = errors.New(text)
		return p
	}
	if r.code/100 == 4 {
		return said("no for now", text)
	}
	return &tokenRefused{text: text, challenge: strings.TrimSpace(reason)}
}
