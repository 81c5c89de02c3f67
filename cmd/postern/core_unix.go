//go:build unix

package main

import "syscall"

// leaveNoCore keeps a crash from writing the memory, which holds tokens, to a file (GOTRACEBACK=crash, or a library
// of the system).
func leaveNoCore() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		syscall.Setrlimit(syscall.RLIMIT_CORE, &limit) // at worst it is as the user has set it
	}
}
