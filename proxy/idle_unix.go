//go:build unix

package proxy

import "syscall"

// The runtime's poller can call back when a socket is readable.
const canWaitReady = true

// errNothingYet means that a read would block.
const errNothingYet = syscall.EAGAIN

func readNow(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
