package main

import (
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
)

// trayView is all that the icon and its menu show; equal views look the same.
type trayView struct {
	colour trayColour
	title  string // one line
	rows   []trayRow
	page   string // "" = there is no web page
}

// trayRow is an account in the menu.
type trayRow struct {
	account string
	text    string
	signIn  bool // a click leads to the sign-in
}

func (v trayView) equal(w trayView) bool {
	return v.colour == w.colour && v.title == w.title && v.page == w.page && slices.Equal(v.rows, w.rows)
}

// viewWithout is what is shown when the daemon does not answer.
func viewWithout(err error) trayView {
	return trayView{colour: trayGrey, title: "Postern: " + err.Error() + `; start it with "postern serve"`}
}

// viewOf turns the daemon's state into what a person needs to see of it.
func viewOf(st control.Status) trayView {
	v := trayView{colour: trayGreen, page: pageAt(st.Listeners)}
	acting, waiting := 0, 0
	for _, acc := range st.Accounts {
		row := trayRow{account: acc.Account, text: acc.Account + ": " + accountText(acc), signIn: canSignIn(acc)}
		v.rows = append(v.rows, row)
		switch {
		case mustAct(acc):
			acting++
		case acc.State != auth.StateReady:
			waiting++
		}
	}
	switch {
	case acting > 0:
		v.colour, v.title = trayRed, fmt.Sprintf("Postern: %s to be looked after", counted(acting, "account has", "accounts have"))
	case len(st.Accounts) == 0:
		v.colour, v.title = trayAmber, `Postern: no account yet; "postern setup" makes one`
	case waiting > 0:
		v.colour, v.title = trayAmber, fmt.Sprintf("Postern: %s not ready", counted(waiting, "account is", "accounts are"))
	default:
		v.title = fmt.Sprintf("Postern: %s ready", counted(len(st.Accounts), "account is", "accounts are"))
	}
	return v
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func accountText(acc control.Account) string {
	switch {
	case acc.State == auth.StateReady && len(acc.Sessions) > 0:
		return "ready, " + counted(len(acc.Sessions), "session", "sessions")
	case acc.Problem != nil && acc.State != auth.StateNeverSignedIn:
		return acc.Problem.Say
	case acc.State == auth.StateNeverSignedIn:
		return "not signed in"
	}
	return acc.State
}

// mustAct tells the troubles that only a person ends. An account that is signed out is no trouble: a person
// did that.
func mustAct(acc control.Account) bool {
	if acc.State == auth.StateSignInNeeded {
		return true
	}
	if acc.State != auth.StateTrouble || acc.Problem == nil {
		return false
	}
	return slices.Contains([]string{auth.SignIn.String(), auth.Admin.String(), auth.Configuration.String()}, acc.Problem.Class)
}

func canSignIn(acc control.Account) bool {
	return acc.State == auth.StateSignInNeeded || acc.State == auth.StateNeverSignedIn
}

func pageAt(listeners []control.Listener) string {
	for _, l := range listeners {
		if _, port, err := net.SplitHostPort(l.Address); err == nil && l.Name == "web" && port != "0" {
			return "http://" + l.Address
		}
	}
	return ""
}

// trayNotice is one notification.
type trayNotice struct {
	account string
	title   string
	text    string
	signIn  bool
}

// notices remembers what was told, so that a problem is told once, however often it is seen and whatever
// comes and goes beside it. The zero value has told nothing.
type notices struct {
	told map[string]string // account → problem
}

// update returns what is new and the accounts whose notification has become wrong. An account is forgotten,
// and may be told about again, only when it is ready, signed out or gone: a network that fails in between
// does not make an old problem new.
func (n *notices) update(st control.Status) (fresh []trayNotice, over []string) {
	if n.told == nil {
		n.told = map[string]string{}
	}
	there := map[string]bool{}
	for _, acc := range st.Accounts {
		there[acc.Account] = true
		switch {
		case mustAct(acc):
			problem := acc.State
			if acc.Problem != nil {
				problem = acc.Problem.Class + " " + acc.Problem.Code
			}
			if n.told[acc.Account] != problem {
				n.told[acc.Account] = problem
				fresh = append(fresh, noticeOf(acc))
			}
		case acc.State == auth.StateReady, acc.State == auth.StateNeverSignedIn:
			there[acc.Account] = false
		}
	}
	for account := range n.told {
		if !there[account] {
			delete(n.told, account)
			over = append(over, account)
		}
	}
	slices.Sort(over)
	return fresh, over
}

func noticeOf(acc control.Account) trayNotice {
	n := trayNotice{account: acc.Account, title: acc.Account + " needs you", signIn: acc.State == auth.StateSignInNeeded}
	if n.signIn {
		n.title = acc.Account + ": sign in again"
	}
	if p := acc.Problem; p != nil {
		n.text = strings.TrimSpace(p.Say + ". " + p.Cure)
	}
	return n
}
