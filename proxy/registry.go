package proxy

import (
	"maps"
	"slices"
	"sync"

	"postern/auth"
)

// registry knows the sessions under way.
type registry struct {
	mu      sync.Mutex // guards everything that follows
	last    uint64
	live    map[uint64]*session
	past    int64 // sessions that have ended, and their bytes
	ended   [len(protocolNames)]carriedBytes
	revoked uint64 // how many times a local password was taken back
}

// add gives the session its number.
func (r *registry) add(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live == nil {
		r.live = map[uint64]*session{}
	}
	r.last++
	s.id = r.last
	r.live[s.id] = s
}

func (r *registry) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, s.id)
	r.past += 1 + s.up.Load() + s.down.Load()
	c := &r.ended[numberOf(s.protocol)]
	c.up += s.up.Load()
	c.down += s.down.Load()
}

// all are the sessions under way, in no order.
func (r *registry) all() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.live))
}

// has says whether the session is still under way.
func (r *registry) has(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live[s.id] == s
}

// work counts sessions and bytes, those that have ended too.
func (r *registry) work() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.past + int64(len(r.live))
	for _, s := range r.live {
		n += s.up.Load() + s.down.Load()
	}
	return n
}

// revocations is what claim wants to know of the time before the password was checked.
func (r *registry) revocations() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.revoked
}

// passwordGone makes logins look again that are looking at a local password now.
func (r *registry) passwordGone() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked++
}

// claim records whose session it is going to be, so that it can be ended on the way. It is false when a local
// password was taken back since seen: it may have been this one.
func (r *registry) claim(s *session, login auth.Login, seen uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.account, s.label, s.password = login.Account.Email, login.Label, login.PasswordID
	return r.revoked == seen
}

// disclaim is for a session that did not get upstream.
func (r *registry) disclaim(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.account, s.label, s.password = "", "", ""
}

// loggedIn records what knows what the session does, and makes it one that is shown.
func (r *registry) loggedIn(s *session, t tap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.tap = t
}

func (r *registry) list() []SessionInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	infos := make([]SessionInfo, 0, len(r.live))
	for _, s := range r.live {
		info := SessionInfo{
			ID: s.id, Protocol: s.protocol.name(), Remote: s.remote, Since: s.since, Up: s.up.Load(), Down: s.down.Load(),
		}
		if s.tap != nil {
			info.Account, info.Password, info.Doing = s.account, s.label, s.tap.doing()
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b SessionInfo) int { return int(a.ID) - int(b.ID) })
	return infos
}

// end ends the sessions that match, without waiting, and returns how many there are.
func (r *registry) end(why error, match func(*session) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.live {
		if match(s) {
			go s.end(why)
			n++
		}
	}
	return n
}
