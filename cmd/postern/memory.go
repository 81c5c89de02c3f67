package main

import (
	"context"
	"runtime/debug"
	"time"

	"postern/internal/memory"
)

// spareWithMemory trades some processor time for memory: a daemon is there for months and does little. When it
// has come to rest after work it gives back to the system what the work took.
func spareWithMemory(ctx context.Context, work func() int64) {
	memory.Tune()
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
