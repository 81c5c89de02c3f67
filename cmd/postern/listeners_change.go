package main

import (
	"net"
	"slices"
)

// changeListeners goes over to the wanted listeners: new ones are served, and those that are not wanted any more take
// no new clients. Sessions go on. commit is called when all are open, and may refuse. With an error the listeners are
// as before.
func (d *daemon) changeListeners(wanted []*listener, commit func() error) error {
	d.mu.Lock()
	before := slices.Clone(d.open)
	d.mu.Unlock()
	blocking := inTheWay(before, wanted)
	kept := without(before, blocking)
	d.replaceListeners(kept)
	next, err := openListeners(wanted, kept)
	if err == nil {
		if err = commit(); err == nil {
			d.replaceListeners(next)
			return nil
		}
		for _, l := range without(next, kept) {
			l.Close()
		}
	}
	d.replaceListeners(append(kept, d.reopen(blocking)...))
	return err
}

// inTheWay are the open listeners that are not wanted any more and may have the address of a new one: under another
// name, as one of all addresses, or as all of which that is one.
func inTheWay(open, wanted []*listener) []*listener {
	isNew := map[int]bool{} // ports
	for _, w := range wanted {
		if !slices.ContainsFunc(open, w.same) {
			_, port, _ := net.SplitHostPort(w.wanted)
			n, _ := net.LookupPort("tcp", port)
			isNew[n] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(open), func(o *listener) bool {
		at, ok := o.Addr().(*net.TCPAddr)
		return o.given || !ok || !isNew[at.Port] || slices.ContainsFunc(wanted, o.same)
	})
}

// reopen opens closed listeners where they were.
func (d *daemon) reopen(closed []*listener) (open []*listener) {
	for _, l := range closed {
		socket, err := net.Listen("tcp", l.Addr().String())
		if err != nil {
			d.log.Error("listener lost", "address", l.Addr().String(), "err", err, "cure", "postern reload opens it when the address is free")
			continue
		}
		open = append(open, l.on(socket))
	}
	return open
}

// replaceListeners closes those that are not among next, and serves those that are not open yet.
func (d *daemon) replaceListeners(next []*listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range without(d.open, next) {
		l.retired.Store(true)
		l.Close()
	}
	for _, l := range without(next, d.open) {
		if d.start != nil { // before run, which will start it
			d.start(l)
		}
	}
	d.open = next
}

// without are the listeners that are not among others.
func without(all, others []*listener) []*listener {
	return slices.DeleteFunc(slices.Clone(all), func(l *listener) bool { return slices.Contains(others, l) })
}
