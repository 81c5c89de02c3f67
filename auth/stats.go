package auth

import "sync/atomic"

// Stats is what a Manager has done since it began. It is a copy.
type Stats struct {
	Refreshed int64            // new tokens from a provider
	Failed    map[string]int64 // refreshes that failed, by the class of the Problem
}

// Stats takes the numbers. Any goroutine may call it.
func (m *Manager) Stats() Stats {
	s := Stats{Refreshed: m.refreshes.done.Load(), Failed: map[string]int64{}}
	for class := Retry; class <= Configuration; class++ {
		s.Failed[class.String()] = m.refreshes.failed[class].Load()
	}
	return s
}

// refreshes counts renewals by how they ended.
type refreshes struct {
	done   atomic.Int64
	failed [Configuration + 1]atomic.Int64 // by Class; a zero one is none
}
