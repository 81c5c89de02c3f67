package proxy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"postern/auth"
)

// begin goes through the greeting to the server's capabilities.
func (imap) begin(w *wire, o upstreamOptions) (begun, error) {
	l := &imapLogin{w: w, server: o.server, before: o.offers}
	return l, l.greeting()
}

// imapLogin is one login at an upstream.
type imapLogin struct {
	w      *wire
	server string
	before string // capabilities before login, as the server wrote them
	caps   string // the last list that the server sent; "" for none yet
	tags   int    // given out so far
	seen   int    // responses so far
	lines  []byte // untagged responses for the client
	text   string // of the tagged OK
}

// login proves the token and makes sure that the mailbox answers.
func (l *imapLogin) login(c credentials) (welcome, error) {
	if err := l.authenticate(c); err != nil {
		return welcome{}, err
	}
	if c.known == "" {
		if err := l.probe(); err != nil {
			return welcome{}, err
		}
	} else if l.caps == "" {
		l.caps = c.known
	}
	return welcome{lines: l.lines, text: l.text, before: l.before, after: l.caps}, nil
}

// maxReplies is more than any server sends before it lets us in.
const maxReplies = 500

var errTalksTooMuch = errors.New("upstream sends more than a server does before login")

// next reads a response and acts on those that may come at any time.
func (l *imapLogin) next() (imapReply, error) {
	if l.seen++; l.seen > maxReplies {
		return imapReply{}, errTalksTooMuch
	}
	r, err := readReply(l.w)
	if err != nil {
		return r, err
	}
	if list := r.capabilities(); list != "" {
		l.caps = list
	}
	switch {
	case r.tag == "*" && r.word == "BYE":
		return r, said("goodbye", r.text)
	case r.tag != "*" && r.tag != "+" && !r.isStatus():
		// Exchange says "Server Unavailable. 15" with neither tag nor star (seen 2019 to 2026).
		return r, said("an answer that is no IMAP", trimmed(r.raw))
	}
	return r, nil
}

// said makes an error of a server's own words.
func said(what, text string) error {
	if p, ok := auth.Explain(text); ok {
		p.Err = errors.New(text)
		return p
	}
	return &auth.Problem{Class: auth.Retry, Code: "upstream-said", Say: "the server said " + what + ": " + text,
		Cure: "Postern tries again by itself", Err: errors.New(text)}
}

func trimmed(raw []byte) string { return string(trimEOL(raw)) }

func (l *imapLogin) command(text string) (tag string, err error) {
	tag = l.newTag()
	return tag, l.w.writeLine(tag + " " + text)
}

func (l *imapLogin) newTag() string {
	l.tags++
	return "P" + strconv.Itoa(l.tags)
}

// greeting takes both of Microsoft's, which differ in words, and anybody's that says OK.
func (l *imapLogin) greeting() error {
	r, err := l.next()
	switch {
	case err != nil:
		return err
	case r.tag == "*" && r.word == "OK":
	case r.tag == "*" && r.word == "PREAUTH":
		return errors.New("upstream is logged in already, as somebody we do not know")
	default:
		return fmt.Errorf("upstream does not speak IMAP: %.80q", trimmed(r.raw))
	}
	if l.caps == "" && l.before == "" {
		if err := l.askCapability(); err != nil {
			return err
		}
	}
	if l.caps != "" {
		l.before = l.caps
	}
	return nil
}

func (l *imapLogin) askCapability() error {
	tag, err := l.command("CAPABILITY")
	if err != nil {
		return err
	}
	for {
		r, err := l.next()
		if err != nil {
			return err
		}
		if r.tag == tag {
			return nil // without a list we try what most servers can
		}
	}
}

// authenticate proves the token (RFC 9051 section 6.2.2).
func (l *imapLogin) authenticate(c credentials) error {
	m := c.mechanism(l.mechanisms(), l.server)
	tag := l.newTag()
	line := tag + " AUTHENTICATE " + m.name
	sent := hasCapability(l.before, "SASL-IR")
	if sent {
		line += " " + m.proof.Reveal()
	}
	// What the server can do may be another thing after login.
	l.caps = ""
	if err := l.w.writeLine(line); err != nil {
		return err
	}
	return l.outcome(tag, m, sent)
}

// mechanisms are the names behind AUTH= in the capabilities.
func (l *imapLogin) mechanisms() string {
	var names []string
	for c := range strings.FieldsSeq(l.before) {
		if len(c) > 5 && strings.EqualFold(c[:5], "AUTH=") {
			names = append(names, c[5:])
		}
	}
	return strings.Join(names, " ")
}

// outcome follows the exchange to its tagged answer.
func (l *imapLogin) outcome(tag string, m saslProof, sent bool) error {
	reason := ""
	for {
		r, err := l.next()
		switch {
		case err != nil:
			return err
		case r.tag == "+" && !sent:
			sent = true
			err = l.w.writeLine(m.proof.Reveal())
		case r.tag == "+" && reason != "":
			return errors.New("upstream goes on asking after a failed login")
		case r.tag == "+":
			b, _ := base64.StdEncoding.DecodeString(r.text)
			reason = printable(string(b)) + " "
			err = l.w.writeLine(m.ifFailed)
		case r.tag == tag && r.word == "OK":
			l.text = r.text
			return nil
		case r.tag == tag:
			return l.refused(r, reason)
		case r.word != "CAPABILITY": // the client gets the list in the tagged OK
			l.lines = append(l.lines, r.raw...)
		}
		if err != nil {
			return err
		}
	}
}

// refused tells a no to the token from a no for now.
func (l *imapLogin) refused(r imapReply, reason string) error {
	if p, ok := auth.Explain(r.text); ok && p.Class == auth.Retry {
		p.Err = errors.New(printable(r.text))
		return p
	}
	text := r.text
	if r.code != "" {
		text = "[" + r.code + "] " + text
	}
	return &tokenRefused{text: printable(text), challenge: strings.TrimSpace(reason)}
}

// probe makes sure that the mailbox answers. Exchange accepts a token that has no right to the mailbox and
// says so only to the next command ("User is authenticated but not connected.", seen 2020 to 2026). The
// same round trip brings the capabilities where the login did not.
func (l *imapLogin) probe() error {
	tag := l.newTag()
	lines := tag + " NAMESPACE\r\n"
	wanted := 1
	if l.caps == "" {
		lines = l.newTag() + " CAPABILITY\r\n" + lines
		wanted++
	}
	if err := l.w.write([]byte(lines)); err != nil {
		return err
	}
	for wanted > 0 {
		r, err := l.next()
		switch {
		case err != nil:
			return err
		case r.tag == "*" && (r.word == "NAMESPACE" || r.word == "CAPABILITY"):
		case r.tag == "*":
			l.lines = append(l.lines, r.raw...)
		case r.tag == "+":
			return errors.New("upstream asks for more after a command that is complete")
		default:
			wanted--
			if err := l.probed(r, tag); err != nil {
				return err
			}
		}
	}
	return nil
}

// probed sorts the answer to a command of the probe. A server without NAMESPACE says BAD, and is logged in all the same.
func (l *imapLogin) probed(r imapReply, tag string) error {
	if r.word == "OK" {
		return nil
	}
	if p, ok := auth.Explain(r.text); ok {
		p.Err = errors.New(printable(r.text))
		return p
	}
	if r.tag == tag && r.word == "BAD" {
		return nil
	}
	return &auth.Problem{Class: auth.Retry, Code: "upstream-said", Say: "the mailbox does not answer: " + printable(r.text),
		Cure: "Postern tries again by itself", RetryAt: time.Now().Add(retrySoon), Err: errors.New(printable(r.text))}
}
