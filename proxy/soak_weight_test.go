package proxy

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// weight is what a process holds.
type weight struct {
	goroutines, files int
	heap              uint64
}

func (w weight) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d KiB", w.goroutines, w.files, w.heap>>10)
}

func weigh() weight {
	runtime.GC()
	runtime.GC() // pools give up what they hold at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // elsewhere there is no such directory, and no count
	return weight{goroutines: runtime.NumGoroutine(), files: len(files), heap: m.HeapAlloc}
}

// settle waits until no more is left than in base, and not for ever.
func settle(base weight) weight {
	var w weight
	for range 100 {
		w = weigh()
		if w.goroutines <= base.goroutines && w.files <= base.files {
			return w
		}
		time.Sleep(100 * time.Millisecond)
	}
	return w
}

// weighAtRest waits for the sessions to end.
func weighAtRest(t *testing.T, r *soakRig) weight {
	t.Helper()
	for range 300 {
		if len(r.server.Sessions()) == 0 {
			r.server.spares.closeAll()
			return weigh()
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("sessions stay: %+v\n%s", r.server.Sessions(), stacks())
	return weight{}
}

func stacks() string {
	b := make([]byte, 256<<10)
	return string(b[:runtime.Stack(b, true)])
}
