package main

import (
	"context"
	"errors"
)

// trayDesktop has the icon; Windows wants an installed app identity for a notification.
type trayDesktop struct{ trayIcon }

func openDesktop(t *tray, quit context.CancelFunc) (desktop, error) {
	return &trayDesktop{trayIcon{t: t, quit: quit}}, nil
}

func (d *trayDesktop) run(ctx context.Context) error {
	d.trayIcon.run(ctx)
	return nil
}

func (d *trayDesktop) notify(trayNotice) error {
	return errors.New("not on Windows; the icon turns red")
}
func (d *trayDesktop) withdraw(string) {}
