package memory

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 800, 1 << 20: 700, 2 << 20: 300, 4 << 20: 100, 5 << 20: 50, 8 << 20: 50, 1 << 30: 50} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB: %d; want %d", live>>20, got, want)
		}
	}
}

// The percentage follows the heap: each collection looks at what is left.
func TestTuneFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	Tune()
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	now := func() int {
		metrics.Read(sample)
		return int(sample[0].Value.Uint64())
	}
	wait := func(want func(p int) bool) {
		t.Helper()
		for range 1000 {
			if runtime.GC(); want(now()) {
				return
			}
			runtime.Gosched()
		}
		t.Errorf("%d %%", now())
	}
	wait(func(p int) bool { return p > percent })
	kept := make([]byte, 2*small)
	wait(func(p int) bool { return p == percent })
	runtime.KeepAlive(kept)
	wait(func(p int) bool { return p > percent })
}
