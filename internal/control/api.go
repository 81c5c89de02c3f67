package control

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// API is what the command line asks over the socket. Whoever can open the socket is the user that runs the
// daemon.
func (s *Server) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		st, err := s.status(r.Context())
		answer(w, st, err)
	})
	mux.HandleFunc("POST /v1/accounts/{account}/end-sessions", func(w http.ResponseWriter, r *http.Request) {
		n := s.Sessions.EndSessions(r.PathValue("account"), errSignedOut)
		answer(w, map[string]int{"ended": n}, nil)
	})
	mux.HandleFunc("POST /v1/accounts/{account}/passwords/{id}/end-sessions", func(w http.ResponseWriter, r *http.Request) {
		n := s.Sessions.EndPassword(r.PathValue("account"), r.PathValue("id"), errRevoked)
		answer(w, map[string]int{"ended": n}, nil)
	})
	mux.HandleFunc("POST /v1/pause", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]int{"ended": s.pause(bySocket)}, nil)
	})
	mux.HandleFunc("POST /v1/resume", func(w http.ResponseWriter, _ *http.Request) {
		s.resume(bySocket)
		answer(w, struct{}{}, nil)
	})
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, struct{}{}, s.Reload())
	})
	mux.HandleFunc("POST /v1/connect", s.connect)
	mux.HandleFunc("POST /v1/audit", s.audit)
	mux.HandleFunc("POST /v1/open", func(w http.ResponseWriter, r *http.Request) {
		user, err := strconv.Atoi(r.URL.Query().Get("user"))
		if err != nil {
			user = anyUser
		}
		link, err := s.LinkFor(user)
		if errors.Is(err, ErrNoPage) {
			err = nil
		}
		answer(w, map[string]string{"url": link}, err)
	})
	return mux
}

// What a client hears whose session is ended.
var (
	errSignedOut = errors.New("the account was signed out")
	errRevoked   = errors.New("the local password was revoked")
)

func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		v = map[string]string{"error": err.Error()}
	}
	json.NewEncoder(w).Encode(v)
}
