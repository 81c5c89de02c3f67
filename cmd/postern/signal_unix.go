//go:build unix

package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

var errTerminalGone = errors.New("the terminal is gone")

// followHangups has the daemon take SIGHUP for what it is, until the returned function is called: the end of the
// terminal that it was started in, with which it ends, or else the wish to reload the configuration. Under nohup,
// which has it begin with SIGHUP ignored, it outlives the terminal.
func followHangups(d *daemon, end func(error)) (stop func()) {
	ends := hasTerminal() && !signal.Ignored(syscall.SIGHUP)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangup:
				if ends && !hasTerminal() {
					end(errTerminalGone)
					return
				}
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

// hasTerminal says whether the process has a controlling terminal. One that has hung up is none any more.
func hasTerminal() bool {
	fd, err := syscall.Open("/dev/tty", syscall.O_RDONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	syscall.Close(fd)
	return true
}
