//go:build unix

package main

import "syscall"

// detached starts a process in a session of its own: a Ctrl-C at the terminal is not for it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
