//go:build !linux

package main

import (
	"errors"
	"runtime"
	"time"
)

// errOnlyLinux is why the bench does not run elsewhere: it reads memory and processor time of processes
// as Linux shows them.
var errOnlyLinux = errors.New("the bench runs on Linux only")

func raiseFileLimit(int) error { return errOnlyLinux }

func cpuTime() (time.Duration, error) { return 0, errOnlyLinux }

func giveWay() error { return errOnlyLinux }

func residentKiB(int) (float64, error) { return 0, errOnlyLinux }

func machine() string { return runtime.GOOS }
