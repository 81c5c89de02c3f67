package proxy

import (
	"slices"
	"strings"
	"sync"

	"postern/auth"
)

// registry knows the sessions under way.
type registry struct {
	mu   sync.Mutex // guards everything that follows
	last uint64
	live map[uint64]*session
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
}

// loggedIn records whose session it is, and what knows what it does.
func (r *registry) loggedIn(s *session, login auth.Login, t tap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.account, s.label, s.tap = login.Account.Email, login.Label, t
}

func (r *registry) list() []SessionInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	infos := make([]SessionInfo, 0, len(r.live))
	for _, s := range r.live {
		info := SessionInfo{
			ID: s.id, Protocol: s.protocol.name(), Account: s.account, Password: s.label,
			Remote: s.remote, Since: s.since, Up: s.up.Load(), Down: s.down.Load(),
		}
		if s.tap != nil {
			info.Doing = s.tap.doing()
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b SessionInfo) int { return int(a.ID) - int(b.ID) })
	return infos
}

func (r *registry) end(account string, why error) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.live {
		if strings.EqualFold(s.account, account) {
			s.cancel(why)
			n++
		}
	}
	return n
}
