package proxy

import (
	"context"
	"errors"
	"testing"

	"postern/auth"
)

func TestTroubles(t *testing.T) {
	t.Parallel()
	var all lastTroubles
	ann, bob := auth.Account{Email: "ann@example.com"}, auth.Account{Email: "bob@example.com"}
	off := &auth.Problem{Class: auth.Admin, Code: "imap-off"}
	left, leave := context.WithCancel(t.Context())
	leave()

	all.note(t.Context(), IMAP(), ann, off)
	all.note(t.Context(), SMTP(), ann, nil)
	all.note(t.Context(), IMAP(), bob, errors.New("of no class"))
	all.note(left, POP3(), ann, off)
	if l := all.list(); len(l) != 1 || l[0].Account != ann.Email || l[0].Protocol != "imap" || l[0].Problem != off || l[0].At.IsZero() {
		t.Errorf("%+v, want IMAP's of Ann", l)
	}
	all.note(left, IMAP(), ann, nil)
	if len(all.list()) != 1 {
		t.Error("a login that we have broken off ends a trouble")
	}
	all.note(t.Context(), IMAP(), ann, nil)
	if l := all.list(); len(l) != 0 {
		t.Errorf("%+v after the mailbox has opened", l)
	}
}
