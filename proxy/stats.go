package proxy

import (
	"slices"
	"sync/atomic"
	"time"
)

// Stats is what a server does, and what it has done since it began. It is a copy.
type Stats struct {
	Protocols map[string]ProtocolStats // by name: imap, smtp, pop3
	Waiting   int                      // clients that have not logged in
	Throttled []Throttle               // mailboxes whose servers have asked for a pause that is not over
	Troubles  []Trouble                // mailboxes that did not open when they were last wanted
	Refused   map[string]int64         // connections that a limit has ended, by limit: sessions, pre_login
}

// ProtocolStats is the part of one protocol.
type ProtocolStats struct {
	Sessions int              // logged in
	Logins   map[string]int64 // by outcome: accepted, or why not
	Up, Down int64            // bytes carried to the upstream and to the client
	Latency  Histogram        // of successful logins upstream, token and dial included
}

// Histogram counts durations.
type Histogram struct {
	Bounds []time.Duration // upper bounds, growing; what is longer than the last is only in Count
	Counts []int64         // durations up to each bound, those up to smaller ones included
	Count  int64
	Sum    time.Duration
}

// Stats takes the numbers. Any goroutine may call it.
func (s *Server) Stats() Stats {
	s.prepare()
	all := Stats{
		Protocols: map[string]ProtocolStats{}, Waiting: s.waiting.count(), Throttled: s.gates.throttled(), Troubles: s.troubles.list(),
		Refused: map[string]int64{"sessions": s.stats.tooMany.Load(), "pre_login": s.stats.sentAway.Load()},
	}
	carried := s.registry.carried()
	for i, name := range protocolNames {
		c := &s.stats.protocols[i]
		p := ProtocolStats{Sessions: carried[i].sessions, Up: carried[i].up, Down: carried[i].down, Logins: map[string]int64{}, Latency: c.latency.copy()}
		for outcome := range outcomes {
			p.Logins[outcomeName(outcome)] = c.logins[outcome].Load()
		}
		all.Protocols[name] = p
	}
	return all
}

var protocolNames = [...]string{"imap", "smtp", "pop3"}

func numberOf(p Protocol) int { return slices.Index(protocolNames[:], p.name()) }

// counters are what Stats reads.
type counters struct {
	protocols         [len(protocolNames)]protocolCounters
	tooMany, sentAway atomic.Int64
}

type protocolCounters struct {
	logins  [outcomes]atomic.Int64
	latency histogram
}

// outcomes of a login are the kinds of refusal, and behind them that it was accepted.
const (
	acceptedLogin = int(refuseNotAllowed) + 1
	outcomes      = acceptedLogin + 1
)

func outcomeName(outcome int) string {
	if outcome == acceptedLogin {
		return "accepted"
	}
	return refusalKind(outcome).String()
}

func (c *counters) login(p Protocol, outcome int) { c.protocols[numberOf(p)].logins[outcome].Add(1) }

func (c *counters) loggedInUpstream(p Protocol, took time.Duration) {
	c.protocols[numberOf(p)].latency.add(took)
}

// latencyBounds tell a warm login from a cold one, and Exchange on a good day (1 to 8 s) from one that hangs.
var latencyBounds = [...]time.Duration{
	50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

type histogram struct {
	in  [len(latencyBounds) + 1]atomic.Int64 // the last is for what is longer than all bounds
	sum atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	i, _ := slices.BinarySearch(latencyBounds[:], d)
	h.in[i].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) copy() Histogram {
	c := Histogram{Bounds: latencyBounds[:], Sum: time.Duration(h.sum.Load())}
	for i := range h.in {
		c.Count += h.in[i].Load()
		if i < len(latencyBounds) {
			c.Counts = append(c.Counts, c.Count)
		}
	}
	return c
}

// carriedBytes is what the sessions of a protocol have carried, those that have ended too.
type carriedBytes struct {
	sessions int // logged in now
	up, down int64
}

// carried counts per protocol.
func (r *registry) carried() [len(protocolNames)]carriedBytes {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.ended
	for _, s := range r.live {
		c := &all[numberOf(s.protocol)]
		c.up += s.up.Load()
		c.down += s.down.Load()
		if s.account != "" {
			c.sessions++
		}
	}
	return all
}
