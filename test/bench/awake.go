package main

import (
	"runtime"
	"sync/atomic"
)

// serveAwake keeps every core from going to sleep, at a priority that gives way to anybody at once. A core
// that sleeps, in a virtual machine above all, takes longer to wake than a relay takes for a line, and
// whether it does is chance: measured without this, the shortest exchange takes 20 µs or 90.
func serveAwake(setup) (service, error) {
	cores := runtime.NumCPU()
	runtime.GOMAXPROCS(cores + 1) // one for the requests
	failed := make(chan error)
	var asleep atomic.Bool // never
	for range cores {
		go func() {
			runtime.LockOSThread()
			err := giveWay()
			failed <- err
			for err == nil && !asleep.Load() {
			}
		}()
	}
	for range cores {
		if err := <-failed; err != nil {
			return service{}, err
		}
	}
	return service{}, nil
}
