//go:build linux || freebsd || openbsd || netbsd

package main

import (
	"context"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	trayWatcher     = "org.kde.StatusNotifierWatcher"
	trayWatcherPath = "/StatusNotifierWatcher"
	trayItem        = "org.kde.StatusNotifierItem"
	trayItemPath    = "/StatusNotifierItem"
)

// run keeps the icon offered even where no host is: the library registers it when one comes.
func (d *busDesktop) run(ctx context.Context) error {
	defer d.bus.Close()
	go d.offerAgain(ctx)
	d.trayIcon.run(ctx)
	return nil
}

// offerAgain registers the icon with a host that the library has missed: it asks for one, and only when there is
// none begins to listen for one that comes (fyne.io/systray v1.12.2). A desktop that starts icons and panel at once
// hits the moment between.
func (d *busDesktop) offerAgain(ctx context.Context) {
	for missed := 0; ; {
		select {
		case <-time.After(trayEvery):
		case <-ctx.Done():
			return
		}
		own, err := dbus.SessionBus() // the library's connection
		if err != nil || len(own.Names()) == 0 {
			return
		}
		if _, err := d.bus.Object(own.Names()[0], trayItemPath).GetProperty(trayItem + ".Id"); err != nil {
			continue // the library is not as far yet
		}
		if !d.hasHost() {
			continue
		}
		if d.isRegistered(own.Names()) {
			return
		}
		if missed++; missed < 2 {
			continue // it may be on its way, and twice is too much for some hosts
		}
		if own.Object(trayWatcher, trayWatcherPath).Call(trayWatcher+".RegisterStatusNotifierItem", 0, trayItemPath).Err == nil {
			return
		}
	}
}

func (d *busDesktop) hasHost() bool {
	v, err := d.bus.Object(trayWatcher, trayWatcherPath).GetProperty(trayWatcher + ".IsStatusNotifierHostRegistered")
	if err != nil {
		return false
	}
	is, _ := v.Value().(bool)
	return is
}

// isRegistered asks the host for an icon of a connection with one of these names.
func (d *busDesktop) isRegistered(names []string) bool {
	v, err := d.bus.Object(trayWatcher, trayWatcherPath).GetProperty(trayWatcher + ".RegisteredStatusNotifierItems")
	if err != nil {
		return false
	}
	items, _ := v.Value().([]string)
	for _, item := range items {
		for _, name := range names {
			if item == name || strings.HasPrefix(item, name+"/") {
				return true
			}
		}
	}
	return false
}
