//go:build linux || freebsd || openbsd || netbsd

package main

import (
	"context"
	"fmt"
	"html"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"
)

const (
	notificationName = "org.freedesktop.Notifications"
	notificationPath = "/org/freedesktop/Notifications"
)

// busDesktop is a freedesktop.org desktop: an icon by StatusNotifierItem, notifications by the Desktop
// Notifications Specification 1.2, both on the session bus.
type busDesktop struct {
	trayIcon
	bus *dbus.Conn

	shownMu sync.Mutex
	shown   map[uint32]trayNotice
}

// openDesktop fails without a session bus: then there is neither an icon nor a notification to show.
func openDesktop(t *tray, quit context.CancelFunc) (desktop, error) {
	bus, err := sessionBus()
	if err != nil {
		return nil, failed(fmt.Errorf("no desktop session: %w", err), "run postern tray within one; postern status shows the accounts here")
	}
	d := &busDesktop{trayIcon: trayIcon{t: t, quit: quit}, bus: bus, shown: map[uint32]trayNotice{}}
	if err := d.takeActions(); err != nil {
		bus.Close()
		return nil, failed(fmt.Errorf("session bus: %w", err), "")
	}
	if !d.hasHost() {
		t.ui.say("this desktop shows no tray icons (no %s; GNOME needs the AppIndicator extension): going on with notifications only", trayWatcher)
	}
	return d, nil
}

// sessionBus connects to the bus of the desktop, and never starts one: nobody would listen there.
func sessionBus() (*dbus.Conn, error) {
	bus, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return nil, err
	}
	if err = bus.Auth(nil); err == nil {
		err = bus.Hello()
	}
	if err != nil {
		bus.Close()
		return nil, err
	}
	return bus, nil
}

func (d *busDesktop) notify(n trayNotice) error {
	o := d.bus.Object(notificationName, notificationPath)
	var can []string
	if err := o.Call(notificationName+".GetCapabilities", 0).Store(&can); err != nil {
		return err
	}
	var actions []string // the default one is a button where a click on the text does nothing, as in Xfce
	text := n.body("")
	switch clickable := slices.Contains(can, "actions"); {
	case clickable && n.signIn:
		actions = []string{"default", "Sign in"}
		text = n.body("Click to sign in.")
	case clickable && d.t.shown.page != "":
		actions = []string{"default", "Open the page"} // it has room for a cure that is long
	}
	if slices.Contains(can, "body-markup") {
		text = html.EscapeString(text)
	}
	hints := map[string]dbus.Variant{"urgency": dbus.MakeVariant(byte(1)), "category": dbus.MakeVariant("email")}
	var id uint32
	d.shownMu.Lock() // the click may come before the answer
	defer d.shownMu.Unlock()
	err := o.Call(notificationName+".Notify", 0, "Postern", uint32(0), "dialog-password", n.title, text, actions, hints, int32(0)).Store(&id)
	if err == nil {
		d.shown[id] = n
	}
	return err
}

func (d *busDesktop) withdraw(account string) {
	d.shownMu.Lock()
	defer d.shownMu.Unlock()
	for id, n := range d.shown {
		if n.account == account {
			d.bus.Object(notificationName, notificationPath).Call(notificationName+".CloseNotification", dbus.FlagNoReplyExpected, id)
			delete(d.shown, id)
		}
	}
}

// takeActions follows clicks on notifications.
func (d *busDesktop) takeActions() error {
	for _, member := range []string{"ActionInvoked", "NotificationClosed"} {
		if err := d.bus.AddMatchSignal(dbus.WithMatchInterface(notificationName), dbus.WithMatchObjectPath(notificationPath), dbus.WithMatchMember(member)); err != nil {
			return err
		}
	}
	signals := make(chan *dbus.Signal, 16)
	d.bus.Signal(signals)
	go func() {
		for s := range signals {
			if len(s.Body) > 0 {
				if id, ok := s.Body[0].(uint32); ok {
					d.took(s.Name, id)
				}
			}
		}
	}()
	return nil
}

func (d *busDesktop) took(signal string, id uint32) {
	d.shownMu.Lock()
	n, ours := d.shown[id]
	if signal == notificationName+".NotificationClosed" {
		delete(d.shown, id)
	}
	d.shownMu.Unlock()
	switch {
	case !ours || signal != notificationName+".ActionInvoked":
	case n.signIn:
		d.t.signIn(n.account)
	default:
		d.t.openPage()
	}
}
