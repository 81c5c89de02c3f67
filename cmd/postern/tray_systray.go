//go:build linux || freebsd || openbsd || netbsd || windows

package main

import (
	"context"
	"io"
	"log"
	"runtime"
	"sync"

	"fyne.io/systray"
)

// trayIcon is the icon and its menu. The library has one per process.
type trayIcon struct {
	t    *tray
	quit context.CancelFunc

	mu    sync.Mutex
	ready bool
	view  trayView
	done  context.CancelFunc // ends what waits for clicks on the menu of now
}

// run has the icon until ctx ends.
func (i *trayIcon) run(ctx context.Context) {
	log.SetOutput(io.Discard) // the library's; that no host is there was said before
	stop := context.AfterFunc(ctx, systray.Quit)
	defer stop()
	systray.Run(func() {
		systray.SetTitle("Postern")
		i.mu.Lock()
		defer i.mu.Unlock()
		i.ready = true
		i.buildLocked()
	}, func() {})
}

func (i *trayIcon) show(v trayView) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.view = v
	i.buildLocked()
}

// buildLocked makes the menu anew, once the library is ready. Menus change seldom, and a whole one has no order to keep.
func (i *trayIcon) buildLocked() {
	if !i.ready {
		return
	}
	if i.done != nil {
		i.done()
	}
	ctx, done := context.WithCancel(i.t.ctx)
	i.done = done
	icon := trayPNG(i.view.colour)
	if runtime.GOOS == "windows" {
		icon = trayICO(i.view.colour)
	}
	systray.SetIcon(icon)
	systray.SetTooltip(i.view.title)
	systray.ResetMenu()
	i.add(i.view.title).Disable()
	systray.AddSeparator()
	for _, r := range i.view.rows {
		if !r.signIn {
			i.add(r.text).Disable()
			continue
		}
		onClick(ctx, i.add(r.text), func() { i.t.signIn(r.account) })
	}
	if len(i.view.rows) > 0 {
		systray.AddSeparator()
	}
	if i.view.page != "" {
		onClick(ctx, i.add("Open the page"), i.t.openPage)
	}
	switch i.view.pause {
	case canPause:
		onClick(ctx, i.add("Pause"), func() { i.t.pause(true) })
	case canResume:
		onClick(ctx, i.add("Resume"), func() { i.t.pause(false) })
	}
	if i.view.page != "" || i.view.pause != noPause {
		systray.AddSeparator()
	}
	login := systray.AddMenuItemCheckbox("Start at login", "", autostarts())
	onClick(ctx, login, func() {
		if i.t.startsAtLogin(!login.Checked()) {
			login.Check()
		} else {
			login.Uncheck()
		}
	})
	onClick(ctx, i.add("Quit this icon"), i.quit)
}

func (i *trayIcon) add(label string) *systray.MenuItem {
	return systray.AddMenuItem(menuLabel(label, runtime.GOOS), "")
}

func onClick(ctx context.Context, item *systray.MenuItem, do func()) {
	go func() {
		for {
			select {
			case _, ok := <-item.ClickedCh:
				if !ok {
					return
				}
				do()
			case <-ctx.Done():
				return
			}
		}
	}()
}
