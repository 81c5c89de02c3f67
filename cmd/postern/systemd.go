package main

import (
	"context"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// notifySystemd tells a service manager that asked for it how we are (sd_notify(3)). Without one it does nothing.
func notifySystemd(state string) { systemd.SdNotify(false, state) }

// feedWatchdog shows systemd twice per interval that the process still runs, if it wants to know
// (WatchdogSec= in the unit).
func feedWatchdog(ctx context.Context) error {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return nil
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		notifySystemd(systemd.SdNotifyWatchdog)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
