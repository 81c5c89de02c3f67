package emulator

import "strings"

// auth is the SASL exchange of RFC 4954; false when the session is over.
func (c *smtpSession) auth(rest string) bool {
	mechanism, response, initial := strings.Cut(rest, " ")
	if !c.secure || !c.hello || c.mail != nil || c.login.Load() != nil {
		c.say(c.outOfPlace())
		return !c.isGone()
	}
	switch strings.ToUpper(mechanism) {
	case "XOAUTH2":
		if !initial {
			c.say("334 ")
			var ok bool
			if response, ok = c.line(); !ok {
				return false
			}
		} else if c.opt.NoInitialResponse {
			return c.refuse(smtpWrongToken)
		}
		return c.judge(strings.TrimSpace(response))
	case "LOGIN":
		return c.password(initial)
	}
	c.say(smtpBadAUTH)
	return !c.isGone()
}

// outOfPlace is the answer to an AUTH where none is expected.
func (c *smtpSession) outOfPlace() string {
	if !c.secure {
		return smtpBadAUTH // it was not offered
	}
	return smtpBadSequence
}

// password goes through AUTH LOGIN, which is still offered, and refuses what comes without looking at it.
func (c *smtpSession) password(hasUser bool) bool {
	prompts := []string{"334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"}
	if hasUser {
		prompts = prompts[1:]
	}
	for _, prompt := range prompts {
		c.say(prompt)
		answer, ok := c.line()
		if !ok {
			return false
		}
		if answer == "*" {
			return c.refuse(smtpWrongToken)
		}
	}
	return c.refuse(smtpNoPasswords)
}

// judge answers a response. A cancelled exchange and what can not be read are refused as any other.
func (c *smtpSession) judge(response string) bool {
	user, bearer, ok := parseXOAUTH2(response)
	if !ok {
		return c.refuse(smtpWrongToken)
	}
	if answered, over := c.strike(AtLogin, smtpWrongToken+bracket()); answered || over {
		return !over
	}
	if !c.wait(c.opt.LoginDelay) {
		return false
	}
	p, ok := c.smtp.admit(bearer, ScopeSMTP)
	if !ok {
		return c.refuse(smtpWrongToken)
	}
	l := c.server.mail.opens(p, user)
	switch {
	case l == nil:
		return c.refuse(smtpWrongToken)
	case c.opt.TenantDisabled:
		return c.refuse(smtpTenantDisabled)
	case c.server.isDisabled(l.mailbox):
		return c.refuse(smtpMailboxDisabled)
	case !c.smtp.register(c.lineSession, l, c.opt.maxPerUser()):
		c.say(smtpFull + bracket())
		return !c.isGone()
	}
	c.say(smtpAccepted)
	return !c.isGone()
}

func (c *smtpSession) refuse(text string) bool {
	if !c.wait(c.opt.FailureDelay) {
		return false
	}
	c.say(text + bracket())
	return !c.isGone()
}
