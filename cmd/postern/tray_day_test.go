//go:build linux

package main

import (
	"net/http"
	"strings"
	"testing"

	"postern/internal/emulator"
)

// trayOnScreen lives a day with the icon as a person sees it, state by state.
func trayOnScreen(t *testing.T, theme string) {
	const ann, bob = "ann@example.com", "bob_b@example.com"
	s := newScreen(t, theme)
	h := newHousehold(t, emulator.Options{Users: []emulator.User{
		{Address: ann, Password: "web-password", Name: "Ann", Mail: emulator.SampleMail()}, {Address: bob, Password: "web-password", Name: "Bob"},
	}})
	identity := h.outlook.Identity
	h.configure(identity.TokenURL("common"))
	h.openPage()

	p := h.tray(s.address)
	until(t, "it says that there is no tray", func() bool { return strings.Contains(text(p.said), "shows no tray icons") })
	s.startPanel()
	icon := func(colour string) {
		t.Helper()
		until(t, colour, func() bool { return s.icon() == colour })
	}
	listed := func(labels ...string) {
		t.Helper()
		until(t, strings.Join(labels, ", "), func() bool {
			menu := s.menu()
			for _, l := range labels {
				if menu[l] <= 0 {
					return false
				}
			}
			return true
		})
	}
	look := func(name string) {
		t.Helper()
		s.picture(name)
		s.openMenu(name + "-menu")
		s.changes("the menu closes", func() { s.xdotool("key", "Escape") })
	}

	icon("grey")
	look("not-running")
	daemon, err := h.serve()
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.kill()
	icon("amber")
	look("no-account")

	h.configure(identity.TokenURL("common"), ann, bob)
	h.openPage()
	h.run("reload")
	listed(ann+": sign in…", "bob__b@example.com: sign in…")
	look("never-signed-in")
	for _, who := range []string{ann, bob} {
		if out, err := h.signIn(h.command("login", who, "--no-browser"), who); err != nil {
			t.Fatalf("login: %v\n%s", err, out)
		}
	}
	icon("green")
	look("ready")

	// From below: quit, start at login, pause.
	s.choose("pause-menu", "Up", "Up", "Up")
	icon("blue")
	listed("Resume")
	s.picture("paused")
	s.choose("paused-menu", "Up", "Up", "Up")
	icon("green")

	passwords := map[string]string{}
	for _, who := range []string{ann, bob} {
		passwords[who] = strings.TrimSpace(h.run("password", "add", who))
		identity.RevokeAccess(who)
	}
	identity.Fail(emulator.TokenRefresh, 1, emulator.Status(http.StatusServiceUnavailable))
	login(t, daemon.imap, bob, passwords[bob])
	login(t, daemon.imap, bob, passwords[bob])
	icon("amber")
	look("trouble")
	if n := s.notifications(); n != 0 {
		t.Errorf("%d notifications of a trouble that passes", n)
	}

	identity.RevokeUser(ann)
	s.changes("a notification", func() {
		login(t, daemon.imap, ann, passwords[ann])
		icon("red")
		until(t, "one notification", func() bool { return s.notifications() == 1 })
	})
	look("sign-in-needed")
	login(t, daemon.imap, ann, passwords[ann])
	until(t, "the notification leads to the sign-in", func() bool {
		s.xdotool("mousemove", "700", "60", "click", "1") // the first may only close the menu
		return strings.Count(text(p.went), "/sign-in/"+ann) == 1
	})
	s.choose("sign-in-menu", "Down")
	until(t, "the menu leads to the sign-in", func() bool { return strings.Count(text(p.went), "/sign-in/"+ann) == 2 })
	if n := s.notifications(); n != 0 {
		t.Errorf("%d notifications, and the one problem was told", n)
	}

	daemon.kill()
	icon("grey")
	s.choose("quit-menu", "Up")
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("tray ended with %v\n%s", err, text(p.said))
	}
}
