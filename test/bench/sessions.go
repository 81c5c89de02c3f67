package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// usualMessage is a mail with a picture in it.
const usualMessage = 300 << 10

// The measures of sessionsRow.
const (
	coldMemory = "idle session: memory"
	warmMemory = "idle session that has fetched 300 KiB: memory"
	idleCPU    = "all sessions idle: processor"
	pushMedian = "push to a session in IDLE, p50"
	pushTail   = "push to a session in IDLE, p99"
)

// sessionsRow holds thousands of sessions in IDLE, as mail clients do. Each visit has a new process, for
// memory depends on what was there before. Postern keeps no spare connection here: that is one for each
// account that has just logged in, for some minutes, and no part of a session.
func sessionsRow() row {
	return row{
		name: "sessions",
		measures: []measure{
			{name: coldMemory, unit: "KiB", digits: 1, goal: goal{of: value, most: 22}},
			{name: warmMemory, unit: "KiB", digits: 1, goal: goal{of: value, most: 41}},
			{name: idleCPU, unit: "% of a core", digits: 2, compare: value, goal: goal{of: value, most: 0.5}},
			{name: pushMedian, unit: "ms", digits: 3, compare: difference},
			{name: pushTail, unit: "ms", digits: 3, compare: difference, goal: goal{of: value, most: 1}},
		},
		visit: visitSessions,
	}
}

func visitSessions(b *bench, c contestant) (values, error) {
	v := values{}
	var relay *child
	if c.relay != "" {
		s := b.setup(b.origin.tlsAddress)
		s.NoSpares = true
		var err error
		if relay, err = startChild(c.relay, s); err != nil {
			return nil, err
		}
		defer relay.stop()
	}
	e := b.endpoint(c, relay)

	base, err := b.unused(e, relay)
	if err != nil {
		return nil, err
	}
	clients, err := connectAll(e, b.sessions, idleBuffer)
	if err != nil {
		return nil, err
	}
	defer func() {
		closeAll(clients)
		b.settle()
	}()
	if err := spread(len(clients), func(i int) error { return clients[i].idle() }); err != nil {
		return nil, err
	}
	cold, err := b.memory(relay, "cold")
	if err != nil {
		return nil, err
	}
	wall, cpu, err := b.timed(relay, func() error { time.Sleep(b.idle); return nil })
	if err != nil {
		return nil, err
	}
	if err := spread(len(clients), func(i int) error { return clients[i].fetchBetweenIdles() }); err != nil {
		return nil, err
	}
	warm, err := b.memory(relay, "warm")
	if err != nil {
		return nil, err
	}
	if relay != nil {
		v[coldMemory] = (cold - base) / float64(b.sessions)
		v[warmMemory] = (warm - base) / float64(b.sessions)
		v[idleCPU] = 100 * cpu.Seconds() / wall.Seconds()
	}
	times, err := b.pushTimes(clients)
	if err != nil {
		return nil, err
	}
	v[pushMedian], v[pushTail] = milliseconds(percentile(times, 50)), milliseconds(percentile(times, 99))
	return v, nil
}

// unused is the memory of a relay without sessions, once it has had some: what a process needs for its
// first ones is not what each needs.
func (b *bench) unused(e endpoint, relay *child) (float64, error) {
	first, err := connectAll(e, 2*atOnce, idleBuffer)
	closeAll(first)
	if err == nil {
		err = b.settle()
	}
	if err != nil {
		return 0, err
	}
	return b.memory(relay, "")
}

// memory is what a relay holds, 0 without one; while profiling it leaves a profile of that under a name.
func (b *bench) memory(relay *child, name string) (float64, error) {
	if relay == nil {
		return 0, nil
	}
	kib, err := relay.resident()
	if err == nil && b.profiling != "" && name != "" {
		_, err = relay.ask(request{Do: heapProfile, Path: b.profiling + "." + name + ".heap.pprof"})
	}
	return kib, err
}

func (c *client) fetchBetweenIdles() error {
	if err := c.done(); err != nil {
		return err
	}
	if err := c.fetch(usualMessage); err != nil {
		return err
	}
	return c.idle()
}

// betweenPushes is long enough for each to travel alone.
const betweenPushes = time.Millisecond

// pushTimes has the server send news to sessions at random and returns how long each took to the client.
// The clients can only be closed afterwards.
func (b *bench) pushTimes(clients []*client) ([]time.Duration, error) {
	arrived := make(chan time.Duration, b.pushes)
	for _, c := range clients {
		c.conn.SetDeadline(time.Now().Add(patience))
		go func() {
			for {
				line, err := c.line()
				now := time.Now().UnixNano()
				if err != nil {
					return
				}
				if at, ok := bytes.CutPrefix(line, []byte(pushed)); ok {
					sent, _ := strconv.ParseInt(string(at), 10, 64)
					arrived <- time.Duration(now - sent)
				}
			}
		}()
	}
	if _, err := b.origin.ask(request{Do: push, Count: b.pushes, Every: betweenPushes}); err != nil {
		return nil, err
	}
	times := make([]time.Duration, 0, b.pushes)
	timeout := time.After(5 * time.Second)
	for len(times) < b.pushes {
		select {
		case d := <-arrived:
			times = append(times, d)
		case <-timeout:
			return nil, fmt.Errorf("%d of %d pushes arrived", len(times), b.pushes)
		}
	}
	return times, nil
}

// settle waits until the server's connections have become as few as they will be: what is left of one
// visit must not disturb the next. A relay may keep some in store.
func (b *bench) settle() error {
	for last := -1; ; {
		r, err := b.origin.ask(request{Do: usage})
		if err != nil || r.Sessions == last {
			return err
		}
		last = r.Sessions
		time.Sleep(50 * time.Millisecond)
	}
}
