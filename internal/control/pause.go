package control

import "net/http"

// Who pauses, as the audit event says it.
const (
	bySocket = "control socket" // the tray
	byPage   = "page"
)

// pause keeps mail programs out until somebody resumes, and returns how many sessions that has ended. Tokens
// stay, and are kept warm: a pause that somebody forgets must not cost a sign-in.
func (s *Server) pause(by string) (ended int) {
	ended, changed := s.Sessions.Pause()
	if changed {
		s.log().Info("paused", "by", by, "sessions", ended, "audit", true)
	}
	return ended
}

func (s *Server) resume(by string) {
	if s.Sessions.Resume() {
		s.log().Info("resumed", "by", by, "audit", true)
	}
}

func (s *Server) pausePage(w http.ResponseWriter, r *http.Request, _ *visitor) {
	s.pause(byPage)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Server) resumePage(w http.ResponseWriter, r *http.Request, _ *visitor) {
	s.resume(byPage)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
