package emulator

import (
	"strings"
	"time"
)

// smtpSession is one client's conversation. It is used by the session's goroutine.
type smtpSession struct {
	*lineSession
	smtp   *SMTP
	opt    SMTPOptions
	secure bool
	hello  bool
	bad    int
	mail   *envelope // nil when no MAIL is under way
}

// session is a connection from its greeting to its end.
func (s *SMTP) session(l *lineSession) {
	opt := s.currentOptions()
	l.within(orDefault(opt.PreAuthTimeout, time.Minute))
	if answered, over := l.strike(AtGreeting, "421 4.3.2 Service not active"); answered || over {
		return
	}
	l.say(smtpGreeting())
	c := &smtpSession{lineSession: l, smtp: s, opt: opt}
	for c.command() {
	}
}

// command reads and answers one; false when the session is over.
func (c *smtpSession) command() bool {
	line, ok := c.line()
	if !ok {
		return false
	}
	verb, rest, _ := strings.Cut(line, " ")
	verb, rest = strings.ToUpper(verb), strings.TrimSpace(rest)
	c.server.count(verb)
	if c.login.Load() != nil {
		if answered, over := c.strike(verb, smtpTemporary); over {
			return false
		} else if answered {
			return verb != "BDAT" || c.skipChunk(rest)
		}
	}
	switch verb {
	case "QUIT":
		c.say(smtpGoodbye)
		return false
	case "STARTTLS":
		return c.startTLS(rest)
	case "AUTH":
		return c.auth(rest)
	case "DATA":
		return c.data()
	case "BDAT":
		return c.chunk(rest)
	}
	c.say(c.simple(verb, rest)...)
	return c.bad < maxBadLines && !c.isGone()
}

// simple answers the commands after which the next one comes.
func (c *smtpSession) simple(verb, rest string) []string {
	switch verb {
	case "EHLO", "HELO":
		c.hello, c.mail = true, nil
		if verb == "HELO" {
			return []string{"250 " + serverName + " Hello " + clientHost(c.raw.RemoteAddr())}
		}
		return smtpFeatures(clientHost(c.raw.RemoteAddr()), c.opt.maxSize(), c.secure)
	case "MAIL":
		return []string{c.begin(rest)}
	case "RCPT":
		return []string{c.recipient(rest)}
	case "RSET":
		c.mail = nil
		return []string{smtpReset}
	case "NOOP":
		return []string{smtpOK}
	case "HELP":
		return []string{"214-This server supports the following commands:", "214 HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT"}
	}
	c.bad++
	if c.bad == maxBadLines {
		return []string{smtpTooManyErrors}
	}
	return []string{smtpUnknown(verb)}
}

// startTLS begins the session anew, under TLS (RFC 3207 section 4.2).
func (c *smtpSession) startTLS(rest string) bool {
	switch {
	case rest != "":
		c.say(smtpBadArguments)
		return !c.isGone()
	case c.secure || !c.hello:
		c.say(smtpBadSequence)
		return !c.isGone()
	}
	c.say(smtpStartTLS)
	c.secure, c.hello, c.mail = true, false, nil
	if !c.lineSession.startTLS() {
		return false
	}
	c.within(orDefault(c.opt.PreAuthTimeout, time.Minute))
	return true
}
