// Package memory sets how the program's garbage collector trades processor time for memory. The daemon calls it,
// and the bench, which measures what the daemon does. It knows nothing of what the memory holds.
package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// percent of the live heap may become garbage before the collector runs: half as much as Go's default. A
	// daemon with thousands of idle sessions leaves less unused room between what they keep.
	percent = 50
	// small is the heap below which the collector does not run whatever the percentage: to collect a heap of
	// 2 MiB every few logins took a fifth of their processor time.
	small = 8 << 20
)

// Tune makes the collector run early when much is kept, and seldom when little is. GOGC in the environment is
// respected. It is called once.
func Tune() {
	if os.Getenv("GOGC") != "" {
		return
	}
	t := &tuner{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	t.collected()
}

// tuner is used by one goroutine at a time.
type tuner struct {
	live []metrics.Sample
	set  int
}

// collected follows each collection: the garbage of which it is called is gone. (Not a byte alone, which would
// share its memory.)
func (t *tuner) collected() {
	metrics.Read(t.live)
	if p := percentFor(t.live[0].Value.Uint64()); p != t.set {
		debug.SetGCPercent(p)
		t.set = p
	}
	runtime.AddCleanup(new(*byte), (*tuner).collected, t)
}

// percentFor returns the percentage that lets a live heap of so many bytes grow to small, in steps of 50: setting
// it stops the program for a moment.
func percentFor(live uint64) int {
	room := max(small, live) - live
	most := room * 100 / max(live, 1<<20) / percent * percent
	return int(max(percent, most))
}
