package main

import (
	"context"
	"os/exec"
	"strings"
	"sync"
)

// dialogScript asks a person. The text comes as arguments, because text within a script could become part of it.
const dialogScript = `on run argv
	set asked to display dialog (item 2 of argv) with title "Postern: " & (item 1 of argv) buttons {"Later", item 3 of argv} default button 2 with icon caution
	return button returned of asked
end run`

// dialogDesktop has no icon, for which the library needs cgo on macOS, and shows a dialog in the place of a
// notification: a program that is no bundle has none that could be clicked.
type dialogDesktop struct {
	t    *tray
	mu   sync.Mutex // guards open
	open map[string]context.CancelFunc
}

func openDesktop(t *tray, _ context.CancelFunc) (desktop, error) {
	t.ui.say("this build has no icon for macOS: going on with notifications only")
	return &dialogDesktop{t: t, open: map[string]context.CancelFunc{}}, nil
}

func (d *dialogDesktop) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (d *dialogDesktop) show(trayView) {}

func (d *dialogDesktop) notify(n trayNotice) error {
	button := "OK"
	if n.signIn {
		button = "Sign in"
	}
	ctx, cancel := context.WithCancel(d.t.ctx)
	cmd := exec.CommandContext(ctx, "osascript", "-e", dialogScript, n.title, n.body("Sign in now?"), button)
	var said strings.Builder
	cmd.Stdout = &said
	if err := cmd.Start(); err != nil {
		cancel()
		return err
	}
	d.withdraw(n.account)
	d.mu.Lock()
	d.open[n.account] = cancel
	d.mu.Unlock()
	go func() {
		defer cancel()
		if err := cmd.Wait(); err == nil && n.signIn && strings.TrimSpace(said.String()) == button {
			d.t.signIn(n.account)
		}
	}()
	return nil
}

// withdraw closes the account's dialog.
func (d *dialogDesktop) withdraw(account string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cancel := d.open[account]; cancel != nil {
		cancel()
		delete(d.open, account)
	}
}
