package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

// spareWithMemory trades some processor time for memory: a daemon is there for months and does little. The
// collector runs when the heap has grown by half, and when the daemon has come to rest after work it gives
// back to the system what the work took. GOGC in the environment is respected.
func spareWithMemory(ctx context.Context, work func() int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	const rest = 5 * time.Second
	tick := time.NewTicker(rest)
	defer tick.Stop()
	var seen, cleaned int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := work()
		if now == seen && now != cleaned {
			debug.FreeOSMemory()
			cleaned = now
		}
		seen = now
	}
}
