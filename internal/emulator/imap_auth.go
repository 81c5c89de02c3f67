package emulator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// authenticate is the SASL exchange. loggedIn: hand the session to the mailbox. over: it ended.
func (s *session) authenticate(cmd command) (loggedIn, over bool) {
	mechanism, response, initial := strings.Cut(cmd.args, " ")
	mechanism = strings.ToUpper(mechanism)
	plain := mechanism == "PLAIN" && s.opt.OldCapability // still listed, no longer good for anything
	if !plain && !slices.Contains(s.opt.mechanisms(), mechanism) {
		s.say(cmd.tag + " " + noMechanism)
		return false, s.isGone()
	}
	if !initial {
		s.say(s.opt.continuation())
		line, err := readLine(s.br, maxFrontLine)
		if err != nil {
			s.frontFailed(err)
			return false, true
		}
		response = strings.TrimRight(string(line), "\r\n")
	}
	if response == "*" {
		s.say(cmd.tag + " " + badCancelled)
		return false, s.isGone()
	}
	parse := parseXOAUTH2
	if mechanism == "OAUTHBEARER" {
		parse = parseOAUTHBEARER
	}
	user, bearer, ok := parse(response)
	if !ok {
		return s.refuseAuth(cmd, mechanism, "")
	}
	return s.decide(cmd, mechanism, user, bearer)
}

// decide answers credentials that could be read.
func (s *session) decide(cmd command, mechanism, user, bearer string) (loggedIn, over bool) {
	fault, _ := s.m.fault(AtLogin, lower(user))
	switch fault.Kind {
	case "", NotConnected, ResetInLiteral:
	case Refuse:
		return s.refuseAuth(cmd, mechanism, fault.Text)
	default:
		if !s.strike(fault, cmd.tag) {
			return false, true
		}
		if fault.Kind == Throttle {
			return false, false
		}
	}
	if !s.wait(s.opt.LoginDelay) {
		return false, true
	}
	l, connected := s.m.judge(s, user, bearer)
	if l == nil {
		return s.refuseAuth(cmd, mechanism, "")
	}
	s.cut.Store(fault.Kind == ResetInLiteral)
	s.say(cmd.tag + " " + s.opt.welcome(l.mailbox))
	if fault.Kind == NotConnected || !connected {
		s.conn.SetReadDeadline(time.Time{})
		s.unconnected(nil)
		return false, true
	}
	return true, false
}

func (o MailOptions) welcome(mailbox string) string {
	if o.gmail() {
		return "OK [CAPABILITY " + o.capabilities(true) + "] " + mailbox + " authenticated (Success)"
	}
	return "OK AUTHENTICATE completed." // no capabilities: a client has to ask again
}

// refuseAuth is the failed exchange. Exchange gives no challenge and no reason; the connection stays usable.
func (s *session) refuseAuth(cmd command, mechanism, text string) (loggedIn, over bool) {
	failure := noAuthenticate
	if s.opt.gmail() {
		failure = noGmail
		s.say(challenge(mechanism))
		line, err := readLine(s.br, maxFrontLine)
		if err != nil {
			return false, true
		}
		if strings.TrimRight(string(line), "\r\n") == "*" {
			failure = badCancelled
		}
	}
	s.say(cmd.tag + " " + cmp.Or(text, failure))
	return false, s.isGone()
}

// judge decides a login and registers it. nil: refused. Not connected: Exchange says OK and means no, because the
// token's owner may not open the mailbox, IMAP is off there, or too many sessions are.
func (m *IMAP) judge(s *session, user, bearer string) (l *login, connected bool) {
	p, ok := m.admit(bearer, ScopeIMAP)
	if !ok {
		return nil, false
	}
	if user == "" && !p.app {
		user = p.owner // OAUTHBEARER without an authzid
	}
	l = &login{mailbox: lower(user), owner: p.owner, token: p.token, box: m.mailboxes[lower(user)]}
	m.mu.Lock()
	defer m.mu.Unlock()
	granted := m.grants[permission{lower(p.owner), l.mailbox}]
	switch {
	case l.box == nil, p.app && !granted, s.opt.gmail() && !granted && l.mailbox != p.owner:
		return nil, false
	case l.mailbox != p.owner && !granted, m.disabled[l.mailbox], m.isFullLocked(s.opt, l.mailbox):
	default:
		connected = true
	}
	s.lost.Store(!connected)
	s.begin(l, p.expires)
	return l, connected
}

func (m *IMAP) isFullLocked(opt MailOptions, mailbox string) bool {
	count := 0
	for _, other := range m.sessions {
		if other.mailbox() == mailbox && !other.lost.Load() {
			count++
		}
	}
	return opt.MaxPerUser > 0 && count >= opt.MaxPerUser
}

// begin binds the session to its login and to the life of the token.
func (s *session) begin(l *login, expires time.Time) {
	s.login.Store(l)
	s.expiry = time.AfterFunc(time.Until(expires), s.tokenExpired)
	s.m.log.Debug("imap session began", "session", s.id, "mailbox", l.mailbox, "owner", l.owner)
}

func throttled(tag, result string, backoff time.Duration) string {
	return fmt.Sprintf("%s %s Request is throttled. Suggested Backoff Time: %d milliseconds", tag, result, backoff.Milliseconds())
}
