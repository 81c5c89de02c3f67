package main

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// detached starts a process without a console, whose end would be its own.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}
