package main

import (
	"io"
	"sync"
)

// largeMessage is what Exchange Online lets through by default when it encodes a 25 MB attachment.
const largeMessage = 25 << 20

// throughputRow carries large messages over so many connections at once, to where at says: nowhere for a
// contestant that does not speak the protocol.
func throughputRow(name, title string, connections int, at func(*bench, contestant) endpoint, work func(c *client, messages int) error) row {
	speed := measure{name: title, unit: "MiB/s", goal: goal{of: ratio, least: 0.95}}
	cost := measure{name: title + ": processor", unit: "s/GiB", digits: 2}
	visit := func(b *bench, c contestant) (values, error) {
		e := at(b, c)
		if e.address == "" {
			return nil, nil
		}
		clients, err := connectAll(e, connections, busyBuffer)
		if err != nil {
			return nil, err
		}
		defer closeAll(clients)
		each := max(1, int(b.volume)/largeMessage/connections)
		all := func() error { return together(clients, func(cl *client) error { return work(cl, each) }) }
		relay := b.relays[c.relay]
		wall, cpu, err := b.timed(relay, all)
		if err != nil {
			return nil, err
		}
		mib := float64(each*connections*largeMessage) / (1 << 20)
		v := values{speed.name: mib / wall.Seconds()}
		if relay != nil {
			v[cost.name] = cpu.Seconds() / (mib / 1024)
		}
		return v, nil
	}
	return row{name: name, measures: []measure{speed, cost}, visit: visit}
}

func fetchMessages(c *client, messages int) error {
	for range messages {
		if err := c.fetch(largeMessage); err != nil {
			return err
		}
	}
	return nil
}

func appendMessages(c *client, messages int) error {
	for range messages {
		if err := c.append(io.LimitReader(zeros{}, largeMessage), largeMessage); err != nil {
			return err
		}
	}
	return nil
}

// zeros is a message that costs nothing to make: whatever is in the buffer already.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// together does work on all clients at once and returns the first error.
func together(clients []*client, work func(*client) error) error {
	errs := make(chan error, len(clients))
	for _, c := range clients {
		go func() { errs <- work(c) }()
	}
	var first error
	for range clients {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// atOnce is how many clients log in, or fetch, at the same time.
const atOnce = 32

// connectAll opens so many sessions.
func connectAll(e endpoint, count, buffer int) ([]*client, error) {
	clients := make([]*client, count)
	err := spread(count, func(i int) error {
		c, err := e.connect(user(i), buffer)
		clients[i] = c
		return err
	})
	if err != nil {
		closeAll(clients)
		return nil, err
	}
	return clients, nil
}

// spread calls work for 0 to count-1, atOnce at a time, and returns the first error.
func spread(count int, work func(i int) error) error {
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
		next  = make(chan int)
	)
	for range min(atOnce, count) {
		wg.Go(func() {
			for i := range next {
				if err := work(i); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	wg.Wait()
	return first
}

func closeAll(clients []*client) {
	for _, c := range clients {
		if c != nil {
			c.close()
		}
	}
}
