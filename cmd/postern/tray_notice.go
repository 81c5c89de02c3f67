package main

import (
	"slices"

	"postern/auth"
	"postern/internal/control"
)

// trayNotice is one notification.
type trayNotice struct {
	account string
	title   string
	text    string // what is wrong
	cure    string // "" = nobody knows
	signIn  bool   // a click leads to the sign-in
	link    string // of the sign-in's page; "" = there is none
}

// body is the text below the title. click says what a click does; "" where notifications can not be clicked.
func (n trayNotice) body(click string) string {
	switch {
	case n.signIn && click != "":
		return n.text + " " + click
	case n.cure != "":
		return n.text + " What to do: " + n.cure
	}
	return n.text
}

// notices remembers what was told, so that a problem is told once, however often it is seen and whatever
// comes and goes beside it. The zero value has told nothing.
type notices struct {
	told map[string][]string // account → problems
}

// update returns what is new and the accounts whose notification has become wrong. An account is forgotten,
// and may be told about again, only when it is ready, signed out or gone: neither a network that fails in
// between nor another problem makes an old problem new. A mailbox that does not open gives a red icon and no
// notification: in a fault of Microsoft's it opens every other time, and each no would be a new one.
func (n *notices) update(st control.Status) (fresh []trayNotice, over []string) {
	if n.told == nil {
		n.told = map[string][]string{}
	}
	there := map[string]bool{}
	for _, acc := range st.Accounts {
		there[acc.Account] = true
		switch {
		case mustAct(acc):
			problem := problemOf(acc)
			if !slices.Contains(n.told[acc.Account], problem) {
				n.told[acc.Account] = append(n.told[acc.Account], problem)
				fresh = append(fresh, noticeOf(acc, pageAt(st.Listeners)))
			}
		case acc.State == auth.StateReady, auth.IsSignedOut(acc.State):
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

// problemOf names what a person has to do. However the provider says that it wants a sign-in, it is one.
func problemOf(acc control.Account) string {
	if acc.State == auth.StateSignInNeeded || acc.Problem == nil {
		return acc.State
	}
	return acc.Problem.Class + " " + acc.Problem.Code
}

func noticeOf(acc control.Account, page string) trayNotice {
	n := trayNotice{account: acc.Account, title: "Postern needs you: " + acc.Account, signIn: acc.State == auth.StateSignInNeeded}
	if n.signIn {
		n.title = "Sign in again: " + acc.Account
	}
	if n.signIn && page != "" {
		n.link = page + control.SignInPath(acc.Account)
	}
	if p := acc.Problem; p != nil {
		n.text, n.cure = sentence(p.Say)+".", p.Cure
	}
	return n
}
