package lab

import (
	"regexp"
	"strings"
	"sync"
	"testing"
)

// readInbox opens a session through Postern, reads the five messages of a small mailbox and ends it.
func readInbox(t *testing.T, d *daemon, user, password string) {
	t.Helper()
	c := d.connect(t, user, password)
	if n := len(c.messages("INBOX")); n != 5 {
		t.Errorf("%d messages in INBOX of %s, want 5", n, user)
	}
	c.ok("LOGOUT")
}

// atOnce opens some sessions at the same time.
func atOnce(t *testing.T, d *daemon, user, password string) {
	t.Helper()
	var all sync.WaitGroup
	for range 8 {
		c := dial(t, d.addr)
		all.Go(func() {
			if status := c.login(user, password); !strings.HasPrefix(status, "OK") {
				t.Errorf("login of %s: %s", user, status)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.Log(d.out)
	}
}

// A token that expires between sessions costs one refresh, however many sessions come, and no human.
func TestExpiredToken(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, dave)
	lifetime(t, dave, 2)
	p.signIn(dave)
	secret := p.addPassword(dave)
	d := p.serve()
	readInbox(t, d, dave, secret)
	eventually(t, patience, "the token expires", func() bool { return !active(t, latest(t, dave)) })
	lifetime(t, dave, 3600)
	before, _ := refreshes(t, dave)
	atOnce(t, d, dave, secret)
	readInbox(t, d, dave, secret)
	if granted, refused := refreshes(t, dave); granted-before != 1 || refused != 0 {
		t.Errorf("%d refreshes granted and %d refused, want one and none", granted-before, refused)
	}
}

// A token that is revoked between sessions, which Postern can not know, costs one refresh too. The
// session that was open goes on.
func TestRevokedToken(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, erin)
	p.signIn(erin)
	secret := p.addPassword(erin)
	d := p.serve()
	open := d.connect(t, erin, secret)
	before, refusedBefore := refreshes(t, erin)
	token := latest(t, erin)
	if printed := strings.TrimSpace(p.ok("token", erin, "--format", "raw")); printed != token {
		t.Error("postern token prints another token than the last that was issued")
	}
	revoke(t, token)
	atOnce(t, d, erin, secret)
	readInbox(t, d, erin, secret)
	if granted, refused := refreshes(t, erin); granted-before != 1 || refused != refusedBefore {
		t.Errorf("%d refreshes granted and %d refused, want one and none", granted-before, refused-refusedBefore)
	}
	open.ok("NOOP")
}

// The server replaces the refresh token at each use and ends the family when an old one comes back.
func TestTwentyExpiries(t *testing.T) {
	t.Parallel()
	const expiries = 20
	p := configure(t, lab.oauth, frank)
	lifetime(t, frank, 2)
	p.signIn(frank)
	secret := p.addPassword(frank)
	d := p.serve()
	before, refusedBefore := refreshes(t, frank)
	for range expiries {
		token := latest(t, frank)
		eventually(t, patience, "the token expires", func() bool { return !active(t, token) })
		readInbox(t, d, frank, secret)
	}
	granted, refused := refreshes(t, frank)
	if granted-before < expiries || refused != refusedBefore {
		t.Errorf("%d refreshes granted and %d refused, want at least %d and none", granted-before, refused-refusedBefore, expiries)
	}
}

// A wrong local password costs the connection nothing, and the servers hear nothing of it. Not
// parallel: counts all requests for tokens.
func TestWrongPassword(t *testing.T) {
	p := configure(t, lab.oauth, grace)
	p.signIn(grace)
	secret := p.addPassword(grace)
	d := p.serve()
	before := counts(t).Requests[tokenEndpoint]
	c := dial(t, d.addr)
	for _, password := range []string{"wrong", secret + "x", ""} {
		if status := c.login(grace, password); !strings.HasPrefix(status, "NO [AUTHENTICATIONFAILED]") {
			t.Errorf("a wrong password: %s", status)
		}
	}
	if status := c.login("nobody@example.test", secret); !strings.HasPrefix(status, "NO [AUTHENTICATIONFAILED]") {
		t.Errorf("an unknown account: %s", status)
	}
	if n := counts(t).Requests[tokenEndpoint] - before; n != 0 {
		t.Errorf("%d requests for a token", n)
	}
	if strings.Contains(dovecotLog(t), grace) {
		t.Error("Dovecot was asked")
	}
	if status := c.login(strings.ToUpper(grace), secret); !strings.HasPrefix(status, "OK") {
		t.Fatalf("the right password on the same connection: %s\n%s", status, d.out)
	}
	if n := len(c.messages("INBOX")); n != 5 {
		t.Errorf("%d messages", n)
	}
	// The refresh token is still there.
	revoke(t, latest(t, grace))
	readInbox(t, d, grace, secret)
}

var passwordTried = regexp.MustCompile(`static\(carol[^)]*\): Performing passdb lookup`)

// Where the server offers nothing else, Postern signs in by OAUTHBEARER; where both, by XOAUTH2;
// and never with a password, although this server offers that too.
func TestMechanism(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ mechanism, upstream string }{
		{"XOAUTH2", lab.oauth},
		{"OAUTHBEARER", lab.bearer},
	} {
		t.Run(tc.mechanism, func(t *testing.T) {
			p := configure(t, tc.upstream, carol)
			p.signIn(carol)
			secret := p.addPassword(carol)
			readInbox(t, p.serve(), carol, secret)
			if want := "Login: user=<" + carol + ">, method=" + tc.mechanism; !strings.Contains(dovecotLog(t), want) {
				t.Errorf("Dovecot's log has no %q", want)
			}
			if passwordTried.MatchString(dovecotLog(t)) {
				t.Error("a password was tried")
			}
		})
	}
}

// Not parallel: the OAuth2 server fails for everybody.
func TestOutage(t *testing.T) {
	p := configure(t, lab.oauth, ivan)
	p.signIn(ivan)
	secret := p.addPassword(ivan)
	d := p.serve()
	readInbox(t, d, ivan, secret)
	revoke(t, latest(t, ivan))
	control(t, map[string]any{"faults": []map[string]any{{"match": "/token", "times": 1000, "status": 503, "headers": map[string]string{"retry-after": "1"}}}})
	t.Cleanup(func() { control(t, map[string]any{"faults": []string{}}) })
	c := dial(t, d.addr)
	if status := c.login(ivan, secret); !strings.HasPrefix(status, "NO [UNAVAILABLE]") {
		t.Errorf("during the outage: %s", status)
	}
	control(t, map[string]any{"faults": []string{}})
	eventually(t, patience, "a login after the outage", func() bool {
		return strings.HasPrefix(dial(t, d.addr).login(ivan, secret), "OK")
	})
	readInbox(t, d, ivan, secret)
}
