package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/auth"
	"postern/internal/control"
)

func runLogin(ctx context.Context, a *app, args []string) error {
	m, account, err := a.account(ctx, args)
	if err != nil {
		return err
	}
	switch {
	case account.Flow == auth.FlowClientCredentials:
		err = m.SignInApp(ctx, account.Email)
	case a.o.device || account.Flow == auth.FlowDevice && !a.o.noBrowser:
		err = a.loginByDevice(ctx, m, account)
	default:
		err = a.loginByBrowser(ctx, m, account)
	}
	if err != nil {
		return fmt.Errorf("sign in %s: %w", account.Email, err)
	}
	a.ui.say("signed in: %s", account.Email)
	a.nextAfterLogin(ctx, m, account)
	return nil
}

// nextAfterLogin names the one step that is left, if any.
func (a *app) nextAfterLogin(ctx context.Context, m *auth.Manager, account auth.Account) {
	if passwords, err := m.Passwords(ctx, account.Email); err == nil && len(passwords) == 0 && account.PasswordHash == "" {
		a.ui.say("next: postern password add %s", account.Email)
	}
}

// loginByBrowser waits for the browser's answer on the loopback listener, or for the address pasted on
// standard input, whichever comes first.
func (a *app) loginByBrowser(ctx context.Context, m *auth.Manager, account auth.Account) error {
	begun, err := m.BeginBrowser(ctx, account.Email)
	if err != nil {
		return err
	}
	defer begun.Close()
	opened := !a.o.noBrowser && openBrowser(begun.URL())
	if opened {
		a.ui.say("your browser opens for %s; if it does not, open this address:", account.Email)
	} else {
		a.ui.say("open this address in a browser and sign in as %s:", account.SignInAs)
	}
	a.ui.say("\n%s\n", begun.URL())
	if !opened || !hasScreen() {
		a.ui.say("if the browser runs on another machine, it ends at a page that does not load: paste that page's address here")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go a.readPasted(ctx, begun, cancel)
	err = begun.Wait(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// readPasted gives each line of standard input to the sign-in. It ends with the process.
func (a *app) readPasted(ctx context.Context, begun *auth.BrowserSignIn, end context.CancelCauseFunc) {
	lines := bufio.NewScanner(a.ui.in)
	for lines.Scan() && ctx.Err() == nil {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		err := begun.Paste(ctx, text)
		if p, ok := errors.AsType[*auth.Problem](err); ok {
			end(p)
			return
		}
		if err != nil {
			a.ui.say("that is not the address of the last page: %v", err)
		}
	}
}

func (a *app) loginByDevice(ctx context.Context, m *auth.Manager, account auth.Account) error {
	begun, err := m.BeginDevice(ctx, account.Email)
	if err != nil {
		return err
	}
	a.ui.say("on any device, open %s", begun.URI)
	a.ui.sayCode(begun.URI)
	a.ui.say("and enter the code %s, signing in as %s (the code is good until %s)",
		begun.Code, account.SignInAs, begun.Expires.Local().Format(time.TimeOnly))
	a.ui.say("only enter a code that you asked for yourself: whoever sends you one wants your mailbox")
	return begun.Wait(ctx)
}

func runLogout(ctx context.Context, a *app, args []string) error {
	if a.o.all == (len(args) == 1) || len(args) > 1 {
		return usageError("postern logout EMAIL, or postern logout --all", "logout takes one EMAIL or --all")
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	if !a.o.all {
		return a.logout(ctx, m, args[0])
	}
	accounts, err := m.Accounts(ctx)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		a.ui.say("there is no account to sign out")
	}
	var errs []error
	for _, account := range accounts {
		errs = append(errs, a.logout(ctx, m, account.Email))
	}
	return errors.Join(errs...)
}

// logout forgets an account's tokens and ends its sessions in the daemon, if one runs.
func (a *app) logout(ctx context.Context, m *auth.Manager, email string) error {
	if err := m.Logout(ctx, email); err != nil {
		return fmt.Errorf("sign out %s: %w", email, err)
	}
	ended, err := control.NewClient(a.stateDir()).EndSessions(ctx, email)
	return a.sayEnded("signed out: "+email, ended, err)
}

// sayEnded says what was done, and what the daemon said when it was asked to end the sessions that go with it.
func (a *app) sayEnded(done string, ended int, err error) error {
	switch {
	case errors.Is(err, control.ErrNotRunning):
		a.ui.say("%s", done)
	case err != nil:
		return failed(fmt.Errorf("%s; but its sessions may go on: %w", done, err), "stop postern serve and start it again")
	default:
		a.ui.say("%s; %s ended", done, count(ended, "session"))
	}
	return nil
}
