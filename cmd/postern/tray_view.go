package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"postern/auth"
	"postern/internal/control"
)

// trayColour is what the icon says at a glance. Each has a shape of its own too.
type trayColour int

const (
	trayGrey  trayColour = iota // no daemon
	trayGreen                   // all is well
	trayAmber                   // something is not as it should be, and passes or can wait
	trayRed                     // a person must act
	trayBlue                    // a person has paused it
)

// trayView is all that the icon and its menu show; equal views look the same.
type trayView struct {
	colour trayColour
	title  string // one line
	rows   []trayRow
	page   string // "" = there is no web page
	pause  trayPause
}

// trayPause is what the menu offers of the pause.
type trayPause int

const (
	noPause   trayPause = iota // there is no daemon, or no account
	canPause                   // mail programs are let in
	canResume                  // they are not
)

// trayRow is an account in the menu.
type trayRow struct {
	account string
	text    string
	signIn  bool // a click leads to the sign-in
}

func (v trayView) equal(w trayView) bool {
	return v.colour == w.colour && v.title == w.title && v.page == w.page && v.pause == w.pause && slices.Equal(v.rows, w.rows)
}

// viewWithout is what is shown when the daemon does not answer.
func viewWithout(err error) trayView {
	if errors.Is(err, control.ErrNotRunning) {
		return trayView{colour: trayGrey, title: "Postern is not running; start it: postern serve"}
	}
	return trayView{colour: trayGrey, title: "Postern does not answer: " + brief(err.Error(), briefText)}
}

// viewOf turns the daemon's state into what a person needs to see of it.
func viewOf(st control.Status) trayView {
	v := trayView{colour: trayGreen, page: pageAt(st.Listeners)}
	if len(st.Accounts) > 0 {
		v.pause = canPause
	}
	acting, waiting := 0, 0
	for _, acc := range st.Accounts {
		row := trayRow{account: acc.Account, text: brief(acc.Account, briefAccount) + ": " + brief(accountText(acc), briefText), signIn: canSignIn(acc)}
		v.rows = append(v.rows, row)
		switch {
		case mustAct(acc), acc.State == auth.StateReady && acc.KeptShut() != nil:
			acting++
		case acc.State != auth.StateReady:
			waiting++
		}
	}
	switch {
	case st.Paused != nil:
		v.colour, v.title, v.pause = trayBlue, "Postern is paused; mail programs are turned away", canResume
	case acting > 0:
		v.colour, v.title = trayRed, fmt.Sprintf("Postern: %s you", counted(acting, "account needs", "accounts need"))
	case len(st.Accounts) == 0:
		v.colour, v.title = trayAmber, `Postern: no account yet; "postern setup" makes one`
	case waiting > 0:
		v.colour, v.title = trayAmber, fmt.Sprintf("Postern: %s not ready", counted(waiting, "account is", "accounts are"))
	default:
		v.title = fmt.Sprintf("Postern: %s ready", counted(len(st.Accounts), "account is", "accounts are"))
	}
	return v
}

// A menu stays narrower than a screen; the page and the notification have the whole sentence.
const (
	briefAccount = 40
	briefText    = 48
)

// brief cuts a text to as many characters.
func brief(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return strings.TrimRight(string(r[:most-1]), " ,;:") + "…"
	}
	return s
}

// menuLabel doubles the sign that would make the next letter a key of the menu: "_" in dbusmenu's labels, "&" on
// Windows. An address may have either.
func menuLabel(text, goos string) string {
	if goos == "windows" {
		return strings.ReplaceAll(text, "&", "&&")
	}
	return strings.ReplaceAll(text, "_", "__")
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func accountText(acc control.Account) string {
	switch {
	case acc.State == auth.StateReady && acc.KeptShut() != nil:
		return shutText(acc.KeptShut())
	case acc.State == auth.StateReady && len(acc.Sessions) > 0:
		return "ready, " + counted(len(acc.Sessions), "session", "sessions")
	case auth.IsSignedOut(acc.State):
		return "sign in…"
	case acc.State == auth.StateSignInNeeded:
		return "sign in again…"
	case acc.Problem != nil:
		return acc.Problem.Say
	}
	return acc.State
}

// shutText says by which protocol a mailbox does not open, and why.
func shutText(u *control.Unopened) string { return strings.ToUpper(u.Protocol) + ": " + u.Say }

// mustAct tells the troubles of the sign-in that only a person ends. An account that is signed out is no trouble: a
// person did that.
func mustAct(acc control.Account) bool {
	if acc.State == auth.StateSignInNeeded {
		return true
	}
	return acc.State == auth.StateTrouble && acc.Problem != nil && acc.Problem.NeedsPerson()
}

func canSignIn(acc control.Account) bool {
	return acc.State == auth.StateSignInNeeded || auth.IsSignedOut(acc.State)
}

func pageAt(listeners []control.Listener) string {
	for _, l := range listeners {
		if _, port, err := net.SplitHostPort(l.Address); err == nil && l.Name == "web" && port != "0" {
			return "http://" + l.Address
		}
	}
	return ""
}
