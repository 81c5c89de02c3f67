package emulator

import (
	"testing"
	"time"
)

func TestExpiryInIdle(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	tokens := issueToken(t, e, Grant{Life: 3 * time.Second})
	w := dial(t, e)
	w.login("ann@example.com", tokens.Access)
	w.send("a IDLE")
	w.expect("+ IDLE accepted, awaiting DONE command.", byeExpired, "(end)")
	if left := time.Until(tokens.Expiry); left > 0 {
		t.Errorf("the BYE came %v before the token's end", left)
	}
}

func TestExpireAccess(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	token := issueToken(t, e, Grant{}).Access
	idle, ready, lost := dial(t, e), dial(t, e), dial(t, e)
	for _, w := range []*wire{idle, ready} {
		w.login("ann@example.com", token)
	}
	e.IMAP.Disable("ann@example.com", true)
	lost.login("ann@example.com", token)
	e.IMAP.Disable("ann@example.com", false)
	other := dial(t, e)
	other.login("bob@work.example", issueToken(t, e, Grant{User: "bob@work.example"}).Access)
	idle.send("a IDLE")
	idle.expect("+ …")

	e.Identity.ExpireAccess("Ann@example.com")
	idle.expect(byeExpired, "(end)")
	ready.send("a NOOP") // heard nothing so far, and now with the next command
	ready.expect(byeExpired, "(end)")
	lost.send("a NAMESPACE")
	lost.expect(byeExpired, "(end)")
	again := dial(t, e)
	again.expect("* OK …")
	again.send("a AUTHENTICATE XOAUTH2 " + xoauth2("ann@example.com", token))
	again.expect("a NO AUTHENTICATE failed.")
	other.send("a NOOP")
	other.expect("a OK NOOP completed.")
}

func TestExpiryBetweenCommandAndIdle(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	token := issueToken(t, e, Grant{}).Access
	w := dial(t, e)
	w.login("ann@example.com", token)
	e.IMAP.Fail("IDLE", 1, MailFault{Kind: Slow, Delay: 300 * time.Millisecond})
	w.send("a IDLE")
	eventually(t, "IDLE arrives", func() bool { return e.IMAP.Count("IDLE") == 1 })
	e.Identity.ExpireAccess("ann@example.com")
	w.expect("+ …", byeExpired, "(end)")
}

func TestKeepExpired(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Mail: MailOptions{KeepExpired: true}})
	token := issueToken(t, e, Grant{}).Access
	w := dial(t, e)
	w.login("ann@example.com", token)
	e.Identity.ExpireAccess("ann@example.com")
	w.send("a NOOP")
	w.expect("a OK NOOP completed.")
}

func TestGmailExpiry(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Mail: MailOptions{Dialect: Gmail}})
	w := dial(t, e)
	w.login("ann@example.com", issueToken(t, e, Grant{Scopes: []string{"https://mail.google.com/"}}).Access)
	e.Identity.ExpireAccess("ann@example.com")
	w.send("a NOOP")
	w.expect(byeExpiredGmail, "(end)")
}

func TestRevokeAccess(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	token := issueToken(t, e, Grant{}).Access
	w := dial(t, e)
	w.login("ann@example.com", token)
	e.Identity.RevokeAccess("ann@example.com")
	w.send("a NOOP")
	w.expect("a OK NOOP completed.")
	again := dial(t, e)
	again.expect("* OK …")
	again.send("a AUTHENTICATE XOAUTH2 "+xoauth2("ann@example.com", token),
		"b AUTHENTICATE XOAUTH2 "+xoauth2("ann@example.com", issueToken(t, e, Grant{}).Access))
	again.expect("a NO AUTHENTICATE failed.", "b OK AUTHENTICATE completed.")
}
