package emulator

import "slices"

// faultQueue holds scripted faults in the order they were asked for. The zero value is empty; its owner locks.
type faultQueue[At comparable, F any] struct {
	queue []queued[At, F]
}

type queued[At comparable, F any] struct {
	at   At
	left int // negative = until cleared
	what F
}

func (q *faultQueue[At, F]) add(at At, n int, what F) {
	if n != 0 {
		q.queue = append(q.queue, queued[At, F]{at, n, what})
	}
}

// take spends one strike of the first fault that matches.
func (q *faultQueue[At, F]) take(match func(At, F) bool) (F, bool) {
	i := slices.IndexFunc(q.queue, func(f queued[At, F]) bool { return match(f.at, f.what) })
	if i < 0 {
		var none F
		return none, false
	}
	what := q.queue[i].what
	if q.queue[i].left > 0 {
		q.queue[i].left--
		if q.queue[i].left == 0 {
			q.queue = slices.Delete(q.queue, i, i+1)
		}
	}
	return what, true
}

func (q *faultQueue[At, F]) clear() { q.queue = nil }
