package main

import (
	"math/rand/v2"
	"time"
)

// noopRow is the shortest exchange that a client can have.
func noopRow() row {
	m := measure{name: "NOOP round trip, cores awake, p50", unit: "µs", compare: difference, goal: goal{of: difference, most: 30}}
	visit := func(b *bench, c contestant) (values, error) {
		times, err := b.exchange(c, b.exchanges, func(cl *client, _ int) error { return cl.do("NOOP") })
		return values{m.name: microseconds(percentile(times, 50))}, err
	}
	return row{name: "noop", awake: true, measures: []measure{m}, visit: visit}
}

// messageRow fetches whole messages of all sizes, one at a time. An answer that goes out in two small
// writes would wait for a delayed acknowledgement here: some 40 ms at the end of some sizes.
func messageRow() row {
	p50 := measure{name: "FETCH of one message of 1 to 300 KiB, p50", unit: "ms", digits: 2, compare: difference, goal: goal{of: difference, most: 1}}
	p99 := measure{name: "the same, p99", unit: "ms", digits: 2, compare: difference, goal: goal{of: difference, most: 1}}
	worst := measure{name: "the same, longest", unit: "ms", digits: 2, compare: difference}
	visit := func(b *bench, c contestant) (values, error) {
		size := rand.New(rand.NewPCG(3, 4)) // the same sizes for all
		times, err := b.exchange(c, b.exchanges/2, func(cl *client, _ int) error { return cl.fetch(1<<10 + size.IntN(299<<10)) })
		return values{
			p50.name:   milliseconds(percentile(times, 50)),
			p99.name:   milliseconds(percentile(times, 99)),
			worst.name: milliseconds(percentile(times, 100)),
		}, err
	}
	return row{name: "message", measures: []measure{p50, p99, worst}, visit: visit}
}

// exchange has one client do the same so many times, and returns how long each took.
func (b *bench) exchange(c contestant, count int, do func(cl *client, i int) error) ([]time.Duration, error) {
	cl, err := b.shared(c).connect(user(0), busyBuffer)
	if err != nil {
		return nil, err
	}
	defer cl.close()
	times := make([]time.Duration, 0, count)
	for i := range count {
		began := time.Now()
		if err := do(cl, i); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}
