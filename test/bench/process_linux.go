package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// raiseFileLimit makes room for so many open files and connections.
func raiseFileLimit(need int) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur = max(l.Cur, uint64(need))
	l.Max = max(l.Max, l.Cur) // only a privileged process may
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("%d open files are needed (ulimit -n): %w", need, err)
	}
	return nil
}

// cpuTime is what this process has spent, user and system. The kernel's own count in /proc has steps of 10 ms.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// giveWay makes the calling thread run only while a core has nothing else to do (sched(7), SCHED_IDLE).
func giveWay() error {
	const schedIdle = 5
	var priority int32
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, schedIdle, uintptr(unsafe.Pointer(&priority))); errno != 0 {
		return fmt.Errorf("idle scheduling: %w", errno)
	}
	return nil
}

// residentKiB is the resident memory of a process.
func residentKiB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "Rss:" {
			return strconv.ParseFloat(f[1], 64)
		}
	}
	return 0, fmt.Errorf("no Rss in smaps_rollup")
}

// machine describes what the numbers depend on.
func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	huge := "unknown"
	if _, after, ok := strings.Cut(firstLine("/sys/kernel/mm/transparent_hugepage/enabled"), "["); ok {
		huge, _, _ = strings.Cut(after, "]")
	}
	return fmt.Sprintf("%s, Linux %s, huge pages %s, load %s at the start", model,
		firstLine("/proc/sys/kernel/osrelease"), huge, strings.Join(strings.Fields(firstLine("/proc/loadavg"))[:1], " "))
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}
