package lab

import (
	"strings"
	"testing"
)

// Not parallel: counts all requests for tokens.
func TestWrongPasswordAtOtherDoors(t *testing.T) {
	p := configureDoors(t, oauthDoors(), olga)
	p.signIn(olga)
	secret := p.addPassword(olga)
	d := p.serve()
	before := counts(t).Requests[tokenEndpoint]
	smtp, pop := dialLines(t, d.door(p, "smtp")), dialLines(t, d.door(p, "pop3"))
	smtp.want("EHLO client.example.test", "250 ")
	for _, wrong := range []string{"wrong", secret + "x"} {
		smtp.want("AUTH PLAIN "+saslPlain(olga, wrong), "535 5.7.8 ")
		pop.want("USER "+olga, "+OK")
		pop.want("PASS "+wrong, "-ERR [AUTH] ")
	}
	smtp.want("MAIL FROM:<"+olga+">", "530 5.7.0 ")
	pop.want("STAT", "-ERR")
	if n := counts(t).Requests[tokenEndpoint] - before; n != 0 {
		t.Errorf("%d requests for a token", n)
	}
	if strings.Contains(dovecotLog(t), olga) {
		t.Error("Dovecot was asked")
	}
	smtp.want("AUTH PLAIN "+saslPlain(olga, secret), "235 ")
	pop.want("USER "+olga, "+OK")
	pop.want("PASS "+secret, "+OK")
}

// A token that expires between sessions costs a refresh and no human, whichever door the next session comes to.
func TestExpiredTokenAtOtherDoors(t *testing.T) {
	t.Parallel()
	p := configureDoors(t, oauthDoors(), paul)
	lifetime(t, paul, 2)
	p.signIn(paul)
	secret := p.addPassword(paul)
	d := p.serve()
	smtp, pop := d.door(p, "smtp"), d.door(p, "pop3")
	sendOne(t, smtp, paul, secret, "before@elsewhere.test")
	pollOne(t, pop, paul, secret)
	expire := func(next int) {
		t.Helper()
		eventually(t, patience, "the token expires", func() bool { return !active(t, latest(t, paul)) })
		lifetime(t, paul, next)
	}
	for name, session := range map[string]func(){
		"smtp": func() { sendOne(t, smtp, paul, secret, "after@elsewhere.test") },
		"pop3": func() { pollOne(t, pop, paul, secret) },
	} {
		expire(2)
		before, refusedBefore := refreshes(t, paul)
		session()
		if granted, refused := refreshes(t, paul); granted == before || refused != refusedBefore {
			t.Errorf("%s: %d refreshes granted and %d refused, want at least one and none", name, granted-before, refused-refusedBefore)
		}
	}
}

// As TestMechanism, for the other two services.
func TestMechanismAtOtherDoors(t *testing.T) {
	t.Parallel()
	for mechanism, upstream := range map[string]doors{"XOAUTH2": oauthDoors(), "OAUTHBEARER": bearerDoors()} {
		t.Run(mechanism, func(t *testing.T) {
			p := configureDoors(t, upstream, carol)
			p.signIn(carol)
			secret := p.addPassword(carol)
			d := p.serve()
			sendOne(t, d.door(p, "smtp"), carol, secret, strings.ToLower(mechanism)+"@elsewhere.test")
			pollOne(t, d.door(p, "pop3"), carol, secret)
			for _, service := range []string{"submission-login", "pop3-login"} {
				if want := service + ": Info: Login: user=<" + carol + ">, method=" + mechanism; !strings.Contains(dovecotLog(t), want) {
					t.Errorf("Dovecot's log has no %q", want)
				}
			}
			if passwordTried.MatchString(dovecotLog(t)) {
				t.Error("a password was tried")
			}
		})
	}
}

// A password that may only read, and one that may only send, at all three doors.
func TestLimitedPasswords(t *testing.T) {
	t.Parallel()
	p := configureDoors(t, oauthDoors(), heidi)
	p.signIn(heidi)
	reads, sends := p.addPassword(heidi, "--read-only"), p.addPassword(heidi, "--send-only")
	d := p.serve()
	smtp, pop := d.door(p, "smtp"), d.door(p, "pop3")

	c := dialLines(t, smtp)
	c.want("EHLO client.example.test", "250 ")
	c.want("AUTH PLAIN "+saslPlain(heidi, reads), "535 5.7.1 ")
	sendOne(t, smtp, heidi, sends, "limited@elsewhere.test")

	c = dialLines(t, pop)
	c.want("USER "+heidi, "+OK")
	c.want("PASS "+sends, "-ERR [SYS/PERM] ")
	if status := dial(t, d.addr).login(heidi, sends); !strings.HasPrefix(status, "NO ") {
		t.Errorf("IMAP with a password that may only send: %s", status)
	}
	c = poll(t, pop, heidi, reads)
	c.want("DELE 1", "-ERR ")
	c.want("QUIT", "+OK")
	pollOne(t, pop, heidi, reads) // still five messages
	readInbox(t, d, heidi, reads)
}
