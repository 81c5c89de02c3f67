package main

import (
	"fmt"
	"time"
)

// loginRow connects, logs in and leaves: one after the other for the time, many at once for the rate.
func loginRow() row {
	alone := measure{name: "login, one at a time, p50", unit: "ms", digits: 2, goal: goal{of: ratio, most: 1.1}}
	rate := measure{name: fmt.Sprintf("logins, %d at a time", atOnce), unit: "1/s"}
	cost := measure{name: "1,000 logins: processor", unit: "s", digits: 2, goal: goal{of: ratio, most: 1.1}}
	visit := func(b *bench, c contestant) (values, error) {
		e := b.shared(c)
		var times []time.Duration
		for i := range b.logins / 2 {
			began := time.Now()
			cl, err := e.connect(user(i), idleBuffer)
			if err != nil {
				return nil, err
			}
			times = append(times, time.Since(began))
			cl.close()
		}
		relay := b.relays[c.relay]
		wall, cpu, err := b.timed(relay, func() error {
			return spread(b.logins, func(i int) error {
				cl, err := e.connect(user(i), idleBuffer)
				if err == nil {
					cl.close()
				}
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		v := values{
			alone.name: milliseconds(percentile(times, 50)),
			rate.name:  float64(b.logins) / wall.Seconds(),
		}
		if relay != nil {
			v[cost.name] = cpu.Seconds() * 1000 / float64(b.logins)
		}
		return v, nil
	}
	return row{name: "login", measures: []measure{alone, rate, cost}, visit: visit}
}
