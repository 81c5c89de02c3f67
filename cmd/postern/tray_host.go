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
	go d.helpOut(ctx)
	d.trayIcon.run(ctx)
	return nil
}

// helpOut does what the library misses while it starts (fyne.io/systray v1.12.2). A picture that is set between its
// export of the icon and its keeping what it has exported is never shown.
func (d *busDesktop) helpOut(ctx context.Context) {
	names := d.exported(ctx)
	if names == nil || !pass(ctx, trayEvery) {
		return
	}
	d.mu.Lock()
	d.buildLocked()
	d.mu.Unlock()
	d.offerAgain(ctx, names)
}

// exported waits until the library has the icon on the bus, and returns the names of its connection; nil when ctx ends.
func (d *busDesktop) exported(ctx context.Context) []string {
	for pass(ctx, trayEvery/3) {
		own, err := dbus.SessionBus() // the library's connection
		if err != nil || len(own.Names()) == 0 {
			return nil
		}
		if _, err := d.bus.Object(own.Names()[0], trayItemPath).GetProperty(trayItem + ".Id"); err == nil {
			return own.Names()
		}
	}
	return nil
}

// offerAgain registers the icon with a host that the library has missed: it asks for one, and only when there is
// none begins to listen for one that comes. A desktop that starts icons and panel at once hits the moment between.
func (d *busDesktop) offerAgain(ctx context.Context, names []string) {
	for missed := 0; pass(ctx, trayEvery); {
		if !d.hasHost() {
			continue
		}
		if d.isRegistered(names) {
			return
		}
		if missed++; missed < 2 {
			continue // it may be on its way, and twice is too much for some hosts
		}
		own, err := dbus.SessionBus()
		if err != nil || own.Object(trayWatcher, trayWatcherPath).Call(trayWatcher+".RegisterStatusNotifierItem", 0, trayItemPath).Err == nil {
			return
		}
	}
}

// pass lets time pass; false when ctx ends.
func pass(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
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
