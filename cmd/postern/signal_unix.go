//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// reloadOnSignal reloads the configuration on SIGHUP until the returned function is called.
func reloadOnSignal(d *daemon) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangup:
				d.reload() // it logs what went wrong
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(done)
	}
}
