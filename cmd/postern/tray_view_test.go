package main

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"postern/auth"
	"postern/internal/control"
	"postern/proxy"
)

func needing(account, state string, class auth.Class, code string) control.Account {
	return control.Account{Account: account, State: state, Problem: &control.Problem{Class: class.String(), Code: code, Say: "it is broken", Cure: "mend it"}}
}

func unopened(class auth.Class) control.Account {
	return control.Account{Account: "ann@example.com", State: auth.StateReady,
		Unopened: []control.Unopened{{Protocol: "smtp", Problem: control.Problem{Class: class.String(), Code: "smtp-off", Say: "sending is switched off", Cure: "mend it"}}}}
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
		{"signed out", []control.Account{ready, {Account: "bob@example.com", State: auth.StateSignedOut}}, trayAmber, "Postern: 1 account is not ready",
			[]trayRow{{"ann@example.com", "ann@example.com: ready", false}, {"bob@example.com", "bob@example.com: sign in…", true}}},
		{"network", []control.Account{needing("ann@example.com", auth.StateTrouble, auth.Retry, "network")}, trayAmber, "Postern: 1 account is not ready",
			[]trayRow{{"ann@example.com", "ann@example.com: it is broken", false}}},
		{"sign in", []control.Account{ready, needing("bob@example.com", auth.StateSignInNeeded, auth.SignIn, "AADSTS50173")}, trayRed, "Postern: 1 account needs you",
			[]trayRow{{"ann@example.com", "ann@example.com: ready", false}, {"bob@example.com", "bob@example.com: sign in again…", true}}},
		{"admin", []control.Account{needing("ann@example.com", auth.StateTrouble, auth.Admin, "AADSTS90094"), needing("bob@example.com", auth.StateTrouble, auth.Configuration, "x")},
			trayRed, "Postern: 2 accounts need you",
			[]trayRow{{"ann@example.com", "ann@example.com: it is broken", false}, {"bob@example.com", "bob@example.com: it is broken", false}}},
		{"mailbox shut", []control.Account{unopened(auth.Admin)}, trayRed, "Postern: 1 account needs you",
			[]trayRow{{"ann@example.com", "ann@example.com: SMTP: sending is switched off", false}}},
		{"mailbox shut for a while", []control.Account{unopened(auth.Retry)}, trayGreen, "Postern: 1 account is ready", []trayRow{{"ann@example.com", "ann@example.com: ready", false}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := viewOf(control.Status{Running: true, Accounts: tt.accounts, Listeners: []control.Listener{{Name: "web", Address: "127.0.0.1:1180"}}})
			want := trayView{tt.colour, tt.title, tt.rows, "http://127.0.0.1:1180", canPause}
			if tt.rows == nil {
				want.pause = noPause
			}
			if !got.equal(want) {
				t.Errorf("viewOf = %+v\nwant     %+v", got, want)
			}
		})
	}
	if v := viewWithout(control.ErrNotRunning); v.colour != trayGrey || v.title != "Postern is not running; start it: postern serve" || v.pause != noPause {
		t.Errorf("viewWithout = %+v", v)
	}
}

func TestTrayViewPaused(t *testing.T) {
	t.Parallel()
	since := time.Now()
	v := viewOf(control.Status{Running: true, Paused: &since, Accounts: []control.Account{needing("bob@example.com", auth.StateSignInNeeded, auth.SignIn, "x")}})
	if v.colour != trayBlue || v.title != "Postern is paused; mail programs are turned away" || v.pause != canResume || !v.rows[0].signIn {
		t.Errorf("%+v", v)
	}
	resumed := v
	resumed.pause = canPause
	if v.equal(resumed) {
		t.Error("the menu would not change")
	}
}

func TestMenuText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, goos, want string }{
		{"ann_b&c@example.com", "linux", "ann__b&c@example.com"}, {"ann_b&c@example.com", "windows", "ann_b&&c@example.com"},
	} {
		if got := menuLabel(tt.text, tt.goos); got != tt.want {
			t.Errorf("menuLabel(%q, %q) = %q", tt.text, tt.goos, got)
		}
	}
	if got := brief(strings.Repeat("é", 60), 60); got != strings.Repeat("é", 60) {
		t.Error(got)
	}
	if got := brief(strings.Repeat("é", 58)+", and more", 60); got != strings.Repeat("é", 58)+"…" {
		t.Error(got)
	}
}

func TestTrayIcon(t *testing.T) {
	t.Parallel()
	shapes := map[string]trayColour{}
	for _, c := range []trayColour{trayGrey, trayGreen, trayAmber, trayRed, trayBlue} {
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
