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
	before string                // capabilities before login, as the server wrote them
	caps   string                // the last list that the server sent; "" for none yet
	tags   int                   // given out so far
	seen   int                   // responses so far
	octets int                   // of these responses
	lines  []byte                // untagged responses for the client
	text   string                // of the tagged OK
	asked  map[string]*imapReply // the questions of the probe by tag, and their answers
}

// login proves the token and makes sure that the mailbox answers. The question for that goes out right
// behind the token: on a link with delay it would cost a round trip of its own.
func (l *imapLogin) login(c credentials) (welcome, error) {
	tag, ask := l.newTag(), ""
	if c.known == "" && !c.inOrder && hasCapability(l.before, "SASL-IR") {
		ask = l.question(true)
	}
	if err := l.authenticate(c, tag, ask); err != nil {
		return welcome{}, err
	}
	if c.known != "" && l.caps == "" {
		l.caps = c.known
	}
	lost := false
	if ask != "" {
		good, err := l.answered(c.until)
		if err != nil {
			return welcome{}, err
		}
		lost = !good
	}
	if lost || c.known == "" && ask == "" {
		if err := l.probe(); err != nil {
			return welcome{}, l.blame(lost, err)
		}
	}
	return welcome{lines: l.lines, text: l.text, before: l.before, after: l.caps, inOrder: lost}, nil
}

// errLostBehind means that a server let us in and broke the connection over what came behind the token.
var errLostBehind = errors.New("upstream does not take commands in one piece")

// blame finds out whether an error of the probe is one of the way it was asked.
func (l *imapLogin) blame(lost bool, err error) error {
	if _, said := errors.AsType[*auth.Problem](err); lost && !said {
		return fmt.Errorf("%w: %w", errLostBehind, err)
	}
	return err
}

// More than any server sends before it lets us in.
const (
	maxReplies     = 500
	maxReplyOctets = 1 << 20
)

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
	if l.octets += len(r.raw); l.octets > maxReplyOctets {
		return imapReply{}, errTalksTooMuch
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
// behind is what goes out in the same piece.
func (l *imapLogin) authenticate(c credentials, tag, behind string) error {
	m := c.mechanism(l.mechanisms(), l.server)
	line := tag + " AUTHENTICATE " + m.name
	sent := hasCapability(l.before, "SASL-IR")
	if sent {
		line += " " + m.proof.Reveal()
	}
	// What the server can do may be another thing after login.
	l.caps = ""
	if err := l.w.write([]byte(line + "\r\n" + behind)); err != nil {
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
			if len(l.asked) == 0 { // else the server takes the first question for the answer it waits for
				err = l.w.writeLine(m.ifFailed)
			}
		case r.tag == tag && r.word == "OK":
			l.text = responseText(r.text)
			return nil
		case r.tag == tag:
			return l.refused(r, reason)
		default:
			l.note(r)
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

// question writes the commands of the probe. NAMESPACE makes sure that the mailbox answers: Exchange accepts
// a token that has no right to the mailbox and says so only to the next command ("User is authenticated but
// not connected.", seen 2020 to 2026). CAPABILITY comes along where the login does not bring the list.
func (l *imapLogin) question(capability bool) string {
	l.asked = map[string]*imapReply{}
	names := []string{"NAMESPACE"}
	if capability {
		names = []string{"CAPABILITY", "NAMESPACE"}
	}
	lines := ""
	for _, name := range names {
		tag := l.newTag()
		l.asked[tag] = nil
		lines += tag + " " + name + "\r\n"
	}
	return lines
}

// note keeps what a response that nobody waits for has to say.
func (l *imapLogin) note(r imapReply) {
	if _, ok := l.asked[r.tag]; ok {
		l.asked[r.tag] = &r
		return
	}
	// The client gets the capabilities in the tagged OK, and did not ask for the rest.
	if r.tag == "*" && r.word != "CAPABILITY" && r.word != "NAMESPACE" {
		l.lines = append(l.lines, r.raw...)
	}
}

// open says whether answers to the probe are still to come.
func (l *imapLogin) open() bool {
	for _, r := range l.asked {
		if r == nil {
			return true
		}
	}
	return false
}

// patience is how long a server that has let us in may take to answer what it was asked in the same piece.
const patience = 3 * time.Second

// answered reads the answers to what was asked behind the token, and says whether they are good. If not,
// asking again in order tells why. An error is the server's own word that the mailbox is out of reach.
func (l *imapLogin) answered(until time.Time) (good bool, err error) {
	if soon := time.Now().Add(patience); until.IsZero() || soon.Before(until) {
		l.w.conn.SetReadDeadline(soon)
		defer l.w.conn.SetReadDeadline(until)
	}
	for l.open() && err == nil {
		var r imapReply
		if r, err = l.next(); err == nil {
			l.note(r)
		}
	}
	good = err == nil
	for _, r := range l.asked {
		if r == nil || r.word == "OK" {
			continue
		}
		good = false
		if p, ok := auth.Explain(r.text); ok && p.Code != outOfStep {
			p.Err = errors.New(printable(r.text))
			return false, p
		}
	}
	if said, ok := errors.AsType[*auth.Problem](err); ok { // BYE
		return false, said
	}
	return good, nil
}

// outOfStep is the catalogue's code for "Command received in Invalid state.", which is how Exchange answers a
// command that comes before it has let us in.
const outOfStep = "command-received-in-invalid-state"

// probe asks in order and waits.
func (l *imapLogin) probe() error {
	late := l.asked // answers to an earlier question may still come
	if err := l.w.write([]byte(l.question(l.caps == ""))); err != nil {
		return err
	}
	for l.open() {
		r, err := l.next()
		if err != nil {
			return err
		}
		if _, old := late[r.tag]; !old {
			l.note(r)
		}
	}
	for _, r := range l.asked {
		if err := l.probed(r); err != nil {
			return err
		}
	}
	return nil
}

// probed sorts the answer to a command of the probe. A server without NAMESPACE says BAD, and is logged in all the same.
func (l *imapLogin) probed(r *imapReply) error {
	if r.word == "OK" {
		return nil
	}
	if p, ok := auth.Explain(r.text); ok {
		p.Err = errors.New(printable(r.text))
		return p
	}
	if r.word == "BAD" {
		return nil
	}
	return &auth.Problem{Class: auth.Retry, Code: "upstream-said", Say: "the mailbox does not answer: " + printable(r.text),
		Cure: "Postern tries again by itself", RetryAt: time.Now().Add(retrySoon), Err: errors.New(printable(r.text))}
}
