package proxy

import "time"

// relayJob is a relay ready to run.
type relayJob struct {
	relay              *relay
	earlyUp, earlyDown []byte
	expires            time.Time // when the session has to end; zero = never
}

// runRelay keeps its own frame small: it lies for days at the bottom of a stack that just holds what a relay calls,
// and would be twice as large for a few hundred bytes more.
func (s *session) runRelay(job *relayJob) {
	defer s.endAt(job.expires)()
	s.logEnd(job.relay.run(job.earlyUp, job.earlyDown))
}

// endAt ends the session at that time, unless it is zero, until the returned function is called.
//
//go:noinline
func (s *session) endAt(expires time.Time) (stop func()) {
	if expires.IsZero() {
		return func() {}
	}
	timer := time.AfterFunc(time.Until(expires), func() {
		s.server.revoke(errPasswordExpired, func(other *session) bool { return other == s })
	})
	return func() { timer.Stop() }
}

//go:noinline
func (s *session) logEnd(why error) {
	s.log().Info("session ended", "account", s.account, "dur", time.Since(s.since).Round(time.Millisecond),
		"up", s.up.Load(), "down", s.down.Load(), "why", why.Error())
}
