package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"postern/auth"
	"postern/internal/control"
	"postern/internal/store"
)

func runStatus(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	st, err := a.status(ctx)
	if err != nil {
		return err
	}
	if a.o.json {
		return a.ui.json(st)
	}
	a.printStatus(st)
	return nil
}

// status asks the daemon, or reads the store when none runs.
func (a *app) status(ctx context.Context) (control.Status, error) {
	st, err := control.NewClient(a.stateDir()).Status(ctx)
	if !errors.Is(err, control.ErrNotRunning) {
		return st, err
	}
	if dir := a.stateDir(); dir != "" && !isDir(dir) { // which is not made to be looked at
		a.store = store.NewMemory()
		a.ui.say("there is no state directory %s", dir)
	}
	m, err := a.accounts()
	if err != nil {
		return st, err
	}
	states, err := m.Status(ctx)
	if err != nil {
		return st, err
	}
	return control.Status{Version: version(), Key: a.keyPlace(), Accounts: control.ListAccounts(states, nil)}, nil
}

func (a *app) printStatus(st control.Status) {
	if st.Running {
		a.ui.print("postern %s, running since %s\n", st.Version, st.Started.Local().Format(time.DateTime))
		if st.Paused != nil {
			a.ui.print("  paused since %s: mail programs are turned away; resume it in the tray's menu or on the page of: postern open\n", st.Paused.Local().Format(time.DateTime))
		}
		for _, l := range st.Listeners {
			a.ui.print("  %-6s %s\n", l.Name, l.Address)
		}
	} else {
		a.ui.print("postern %s, not running (postern serve)\n", st.Version)
	}
	if st.Key != "" {
		a.ui.print("  tokens are protected by the %s\n", st.Key)
	}
	for _, acc := range st.Accounts {
		a.printAccount(acc)
	}
	if len(st.Accounts) == 0 {
		a.ui.print("no account yet: postern setup\n")
	}
}

// keyPlace says where the key that protects the tokens is.
func (a *app) keyPlace() string {
	if f, ok := a.store.(*store.File); ok {
		return f.Describe()
	}
	return ""
}

func (a *app) printAccount(acc control.Account) {
	a.ui.print("\n%s: %s\n", acc.Account, acc.State)
	if acc.SignedInAs != "" && acc.SignedInAs != acc.Account {
		a.ui.print("  signed in as %s\n", acc.SignedInAs)
	}
	if acc.TokenExpiry != nil {
		a.ui.print("  access token until %s\n", acc.TokenExpiry.Local().Format(time.DateTime))
	}
	if acc.Passwords == 0 && acc.State != auth.StateTrouble { // which may be that they can not be read
		a.ui.print("  no local password: postern password add %s\n", acc.Account)
	}
	if len(acc.NotCovered) > 0 {
		a.ui.print("  not for %s before a new sign-in: postern login %s\n", strings.Join(acc.NotCovered, " and "), acc.Account)
	}
	for _, t := range acc.Throttled {
		a.ui.print("  its server asks for a pause of %s until %s: let the mail client ask less often\n", strings.ToUpper(t.Protocol), t.Until.Local().Format(time.TimeOnly))
	}
	if p := acc.Problem; p != nil {
		a.ui.print("  %s\n", p.Say)
		if p.Cure != "" {
			a.ui.print("  what to do: %s\n", p.Cure)
		}
	}
	for _, u := range acc.Unopened {
		a.ui.print("  %s did not open the mailbox at %s: %s\n", strings.ToUpper(u.Protocol), u.At.Local().Format(time.TimeOnly), u.Say)
		if u.Cure != "" {
			a.ui.print("  what to do: %s\n", u.Cure)
		}
	}
	if auth.IsSignedOut(acc.State) && acc.Problem == nil {
		a.ui.print("  what to do: postern login %s\n", acc.Account)
	}
	for _, s := range acc.Sessions {
		doing := ""
		if s.Doing != "" {
			doing = ", " + s.Doing
		}
		a.ui.print("  session %d: %s from %s (%s)%s, since %s, %d bytes up, %d down\n",
			s.ID, s.Protocol, s.Remote, s.Password, doing, s.Since.Local().Format(time.DateTime), s.Up, s.Down)
	}
}
