package proxy

import (
	"errors"
	"strings"
)

var errPasswordExpired = errors.New("the local password has expired")

// EndSessions says goodbye to the sessions of an account, as `postern logout` asks, and returns how many there
// are; those that are logging in just now are among them. why is what the clients are told. It does not wait. Any
// goroutine may call it.
func (s *Server) EndSessions(account string, why error) int {
	return s.revoke(why, func(ses *session) bool { return strings.EqualFold(ses.account, account) })
}

// EndPassword is EndSessions for those sessions that one local password has opened. The password must be gone
// already: a login that has it and is not yet known by it is checked once more.
func (s *Server) EndPassword(account, id string, why error) int {
	s.prepare()
	s.registry.passwordGone()
	return s.revoke(why, func(ses *session) bool {
		return id != "" && ses.password == id && strings.EqualFold(ses.account, account)
	})
}

// revoke ends the sessions that match, and leaves an audit event for each.
func (s *Server) revoke(why error, match func(*session) bool) int {
	s.prepare()
	var note []func()
	n := s.registry.end(why, func(ses *session) bool {
		if !match(ses) {
			return false
		}
		account, label := ses.account, ses.label
		note = append(note, func() {
			ses.log().Info("session revoked", "account", account, "password", label, "why", why.Error(), "audit", true)
		})
		return true
	})
	for _, write := range note { // not while the registry is locked
		write()
	}
	return n
}
