package emulator

import (
	"strings"
	"time"
)

// pop3Session is one client's conversation. It is used by the session's goroutine.
type pop3Session struct {
	*lineSession
	pop3 *POP3
	opt  POP3Options
	bad  int
	user bool      // USER came
	drop *maildrop // nil before the login
}

// session is a connection from its handshake to its end.
func (p *POP3) session(l *lineSession) {
	if !l.startTLS() {
		return
	}
	c := &pop3Session{lineSession: l, pop3: p, opt: p.currentOptions()}
	l.within(orDefault(c.opt.PreAuthTimeout, time.Minute))
	if answered, over := l.strike(AtGreeting, popUnavailable); answered || over {
		return
	}
	l.say(c.opt.greeting())
	defer func() {
		if c.drop != nil {
			c.drop.close()
		}
	}()
	for c.command() {
	}
}

// command reads and answers one; false when the session is over.
func (c *pop3Session) command() bool {
	line, ok := c.line()
	if !ok {
		return false
	}
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	c.server.count(verb)
	if c.drop != nil {
		if answered, over := c.strike(verb, popUnavailable); answered || over {
			return !over
		}
		if c.afterLogin(verb, rest) {
			return verb != "QUIT" && !c.isGone()
		}
	}
	switch verb {
	case "CAPA":
		c.say(popCapabilities()...)
	case "QUIT":
		c.say(popGoodbye)
		return false
	case "AUTH", "USER", "PASS":
		if c.drop != nil {
			c.say(popBadState)
			break
		}
		return c.credentials(verb, rest)
	case "STAT", "LIST", "UIDL", "TOP", "RETR", "DELE", "RSET", "NOOP":
		c.say(popBadState)
	default:
		c.say(popBadCommand)
		c.bad++
	}
	return c.bad < maxBadLines && !c.isGone()
}

// credentials answers what logs in; false when the session is over.
func (c *pop3Session) credentials(verb, rest string) bool {
	switch {
	case verb == "USER":
		c.user = true
		c.say("+OK")
	case verb == "PASS" && !c.user:
		c.say(popBadState)
	case verb == "PASS": // Exchange has no password logins any more
		c.user = false
		c.say(popNoPassword)
	default:
		return c.auth(rest)
	}
	return !c.isGone()
}

// auth is the SASL exchange of RFC 5034. A response in the command's own line is an error that ends the session.
func (c *pop3Session) auth(rest string) bool {
	mechanism, _, initial := strings.Cut(rest, " ")
	mechanism = strings.ToUpper(mechanism)
	switch {
	case initial:
		c.say(popProtocolError)
		return false
	case mechanism != "XOAUTH2" && mechanism != "PLAIN":
		c.say(popBadArgument)
		return !c.isGone()
	}
	c.say("+ ")
	response, ok := c.line()
	if !ok {
		return false
	}
	user, bearer, ok := parseXOAUTH2(response)
	if !ok || mechanism == "PLAIN" {
		c.say(popRefused)
		return !c.isGone()
	}
	if c.opt.MaxToken > 0 && len(bearer) > c.opt.MaxToken {
		c.say(popProtocolError)
		return false
	}
	return c.judge(user, bearer)
}

// judge answers credentials that could be read.
func (c *pop3Session) judge(user, bearer string) bool {
	if answered, over := c.strike(AtLogin, popRefused); answered || over {
		return !over
	}
	if !c.wait(c.opt.LoginDelay) {
		return false
	}
	p, ok := c.pop3.admit(bearer, ScopePOP)
	if !ok {
		c.say(popRefused)
		return !c.isGone()
	}
	l := c.server.mail.opens(p, user)
	if l == nil || c.server.isDisabled(l.mailbox) {
		c.say(popRefused)
		return !c.isGone()
	}
	drop, err := c.server.mail.openMaildrop(l.box)
	if err != nil {
		c.server.log.Error("maildrop not opened", "mailbox", l.mailbox, "err", err)
		c.say(popUnavailable)
		return !c.isGone()
	}
	c.drop = drop
	c.began(l)
	c.say(popAccepted)
	return !c.isGone()
}
