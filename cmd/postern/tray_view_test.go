package main

import (
	"bytes"
	"image"
	"image/png"
	"slices"
	"testing"

	"postern/auth"
	"postern/internal/control"
	"postern/proxy"
)

func needing(account, state string, class auth.Class, code string) control.Account {
	return control.Account{Account: account, State: state, Problem: &control.Problem{Class: class.String(), Code: code, Say: "it is broken", Cure: "mend it"}}
}

func TestTrayView(t *testing.T) {
	t.Parallel()
	ready := control.Account{Account: "ann@example.com", State: auth.StateReady}
	busy := ready
	busy.Sessions = make([]proxy.SessionInfo, 2)
	for _, tt := range []struct {
		name     string
		accounts []control.Account
		colour   trayColour
		title    string
		rows     []trayRow
	}{
		{"none", nil, trayAmber, `Postern: no account yet; "postern setup" makes one`, nil},
		{"ready", []control.Account{ready}, trayGreen, "Postern: 1 account is ready", []trayRow{{"ann@example.com", "ann@example.com: ready", false}}},
		{"sessions", []control.Account{busy}, trayGreen, "Postern: 1 account is ready", []trayRow{{"ann@example.com", "ann@example.com: ready, 2 sessions", false}}},
		{"signed out", []control.Account{ready, {Account: "bob@example.com", State: auth.StateNeverSignedIn}}, trayAmber, "Postern: 1 account is not ready",
			[]trayRow{{"ann@example.com", "ann@example.com: ready", false}, {"bob@example.com", "bob@example.com: not signed in", true}}},
		{"network", []control.Account{needing("ann@example.com", auth.StateTrouble, auth.Retry, "network")}, trayAmber, "Postern: 1 account is not ready",
			[]trayRow{{"ann@example.com", "ann@example.com: it is broken", false}}},
		{"sign in", []control.Account{ready, needing("bob@example.com", auth.StateSignInNeeded, auth.SignIn, "AADSTS50173")}, trayRed, "Postern: 1 account has to be looked after",
			[]trayRow{{"ann@example.com", "ann@example.com: ready", false}, {"bob@example.com", "bob@example.com: it is broken", true}}},
		{"admin", []control.Account{needing("ann@example.com", auth.StateTrouble, auth.Admin, "AADSTS90094"), needing("bob@example.com", auth.StateTrouble, auth.Configuration, "x")},
			trayRed, "Postern: 2 accounts have to be looked after",
			[]trayRow{{"ann@example.com", "ann@example.com: it is broken", false}, {"bob@example.com", "bob@example.com: it is broken", false}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := viewOf(control.Status{Running: true, Accounts: tt.accounts, Listeners: []control.Listener{{Name: "web", Address: "127.0.0.1:1180"}}})
			want := trayView{tt.colour, tt.title, tt.rows, "http://127.0.0.1:1180"}
			if !got.equal(want) {
				t.Errorf("viewOf = %+v\nwant     %+v", got, want)
			}
		})
	}
	if v := viewWithout(control.ErrNotRunning); v.colour != trayGrey || v.title != `Postern: postern serve is not running; start it with "postern serve"` {
		t.Errorf("viewWithout = %+v", v)
	}
}

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
		account control.Account
		want    trayNotice
	}{
		{needing("a@b", auth.StateSignInNeeded, auth.SignIn, "x"), trayNotice{"a@b", "a@b: sign in again", "it is broken. mend it", true}},
		{needing("a@b", auth.StateTrouble, auth.Admin, "x"), trayNotice{"a@b", "a@b needs you", "it is broken. mend it", false}},
	} {
		if got := noticeOf(tt.account); got != tt.want {
			t.Errorf("noticeOf = %+v, want %+v", got, tt.want)
		}
	}
}

func TestTrayIcon(t *testing.T) {
	t.Parallel()
	shapes := map[string]trayColour{}
	for _, c := range []trayColour{trayGrey, trayGreen, trayAmber, trayRed} {
		img, err := png.Decode(bytes.NewReader(trayPNG(c)))
		if err != nil || img.Bounds() != image.Rect(0, 0, traySize, traySize) {
			t.Fatalf("icon %d: %v, %v", c, img.Bounds(), err)
		}
		if _, _, _, a := img.At(0, 0).RGBA(); a != 0 {
			t.Errorf("icon %d: the corner is not clear", c)
		}
		var shape []byte // without colour
		for y := range traySize {
			for x := range traySize {
				r, g, b, a := img.At(x, y).RGBA()
				white := r == 0xffff && g == 0xffff && b == 0xffff
				shape = append(shape, map[bool]byte{true: 'w', false: '.'}[white && a != 0])
			}
		}
		if other, same := shapes[string(shape)]; same {
			t.Errorf("icons %d and %d only differ in colour", c, other)
		}
		shapes[string(shape)] = c
		ico := trayICO(c)
		if !bytes.Equal(ico[:6], []byte{0, 0, 1, 0, 1, 0}) || !bytes.Equal(ico[22:], trayPNG(c)) {
			t.Errorf("icon %d: no ICO with the PNG in it", c)
		}
	}
}
