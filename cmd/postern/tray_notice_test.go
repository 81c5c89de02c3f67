package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/auth"
	"postern/internal/control"
)

// TestNotices goes through one account's life: each line is what the daemon says next.
func TestNotices(t *testing.T) {
	t.Parallel()
	const ann = "ann@example.com"
	ready := control.Account{Account: ann, State: auth.StateReady}
	signIn := needing(ann, auth.StateSignInNeeded, auth.SignIn, "AADSTS50173")
	var n notices
	for i, step := range []struct {
		accounts []control.Account
		fresh    bool
		over     bool
	}{
		{[]control.Account{{Account: ann, State: auth.StateNeverSignedIn}}, false, false},
		{[]control.Account{ready}, false, false},
		{[]control.Account{needing(ann, auth.StateTrouble, auth.Retry, "network")}, false, false},
		{[]control.Account{signIn}, true, false},
		{[]control.Account{signIn}, false, false},
		{[]control.Account{needing(ann, auth.StateTrouble, auth.Retry, "network")}, false, false},
		{[]control.Account{signIn}, false, false}, // the same problem behind a network that failed
		{[]control.Account{needing(ann, auth.StateTrouble, auth.Admin, "AADSTS90094")}, true, false},
		{[]control.Account{signIn}, false, false},                                                            // and behind another problem
		{[]control.Account{needing(ann, auth.StateSignInNeeded, auth.SignIn, "AADSTS700082")}, false, false}, // in other words
		{[]control.Account{needing(ann, auth.StateTrouble, auth.Configuration, "AADSTS7000215")}, true, false},
		{[]control.Account{ready}, false, true},
		{[]control.Account{ready}, false, false},
		{[]control.Account{signIn}, true, false}, // again, after it was well
		{nil, false, true},
	} {
		fresh, over := n.update(control.Status{Accounts: step.accounts})
		if (len(fresh) == 1) != step.fresh || slices.Contains(over, ann) != step.over {
			t.Errorf("step %d: told %v, over %v; want %t, %t", i, fresh, over, step.fresh, step.over)
		}
	}
}

func TestNoticeOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		account   control.Account
		page      string
		want      trayNotice
		clickable string
		plain     string
	}{
		{needing("a@b", auth.StateSignInNeeded, auth.SignIn, "x"), "http://127.0.0.1:1180",
			trayNotice{"a@b", "Sign in again: a@b", "It is broken.", "mend it", true, "http://127.0.0.1:1180/sign-in/a@b"},
			"It is broken. Click to sign in.", "It is broken. What to do: mend it"},
		{needing("a@b", auth.StateSignInNeeded, auth.SignIn, "x"), "", trayNotice{"a@b", "Sign in again: a@b", "It is broken.", "mend it", true, ""},
			"It is broken. Click to sign in.", "It is broken. What to do: mend it"},
		{needing("a@b", auth.StateTrouble, auth.Admin, "x"), "http://127.0.0.1:1180", trayNotice{"a@b", "Postern needs you: a@b", "It is broken.", "mend it", false, ""},
			"It is broken. What to do: mend it", "It is broken. What to do: mend it"},
	} {
		got := noticeOf(tt.account, tt.page)
		if got != tt.want {
			t.Errorf("noticeOf = %+v, want %+v", got, tt.want)
		}
		if a, b := got.body("Click to sign in."), got.body(""); a != tt.clickable || b != tt.plain {
			t.Errorf("%q, %q; want %q, %q", a, b, tt.clickable, tt.plain)
		}
	}
}

// fakeDesktop shows notifications unless it is broken.
type fakeDesktop struct {
	desktop
	broken error
	log    []string
	texts  []string
}

func (d *fakeDesktop) notify(n trayNotice) error {
	if d.broken == nil {
		d.log = append(d.log, "show "+n.account)
		d.texts = append(d.texts, n.title+": "+n.body(""))
	}
	return d.broken
}

func (d *fakeDesktop) withdraw(account string) { d.log = append(d.log, "withdraw "+account) }

// A desktop that can not show a notification yet shows it later, and once; what is over by then, never.
func TestNoticeThatCanNotBeShown(t *testing.T) {
	t.Parallel()
	const ann, bob = "ann@example.com", "bob@example.com"
	d := &fakeDesktop{broken: errors.New("nothing shows notifications")}
	var said strings.Builder
	w := &tray{app: &app{ui: &ui{out: io.Discard, err: &said}}, desktop: d}
	both := control.Status{Accounts: []control.Account{needing(ann, auth.StateSignInNeeded, auth.SignIn, "x"), needing(bob, auth.StateSignInNeeded, auth.SignIn, "x")}}
	one := control.Status{Accounts: []control.Account{both.Accounts[0], {Account: bob, State: auth.StateReady}}}
	now := time.Now()
	for i, step := range []struct {
		after  time.Duration
		status control.Status
		broken error
	}{{0, both, d.broken}, {time.Second, both, d.broken}, {time.Minute, both, d.broken}, {61 * time.Second, one, nil}, {2 * time.Minute, one, nil}, {5 * time.Minute, one, nil}} {
		d.broken = step.broken
		w.tell(now.Add(step.after), step.status)
		if n := strings.Count(said.String(), "no notification"); n != 2 {
			t.Errorf("step %d: said %d times: %s", i, n, said.String())
		}
	}
	if got, want := strings.Join(d.log, ", "), "withdraw bob@example.com, show ann@example.com"; got != want {
		t.Errorf("the desktop: %s, want %s", got, want)
	}
}
