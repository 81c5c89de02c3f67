package control

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"postern/auth"
)

// madePassword is a local password on its way to be shown once.
type madePassword struct {
	Account, Label string
	Secret         auth.Secret
}

// addPassword makes a local password. It is shown by the page that follows, so that reloading that page, or
// going back to it, neither makes another nor shows it again.
func (s *Server) addPassword(w http.ResponseWriter, r *http.Request, who *visitor) {
	email := r.PathValue("account")
	wanted := auth.NewPassword{Label: r.PostFormValue("label")}
	switch r.PostFormValue("may") {
	case "read":
		wanted.ReadOnly = true
	case "send":
		wanted.SendOnly = true
	}
	if days, err := strconv.Atoi(r.PostFormValue("days")); err == nil && days > 0 {
		wanted.Expires = time.Now().AddDate(0, 0, days)
	}
	secret, made, err := s.Accounts.AddPassword(r.Context(), email, wanted)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.visitors.keep(who, madePassword{Account: email, Label: made.Label, Secret: secret})
	http.Redirect(w, r, "/password", http.StatusSeeOther)
}

func (s *Server) showPassword(w http.ResponseWriter, r *http.Request, who *visitor) {
	made := s.visitors.take(who)
	if made == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.render(w, "password", http.StatusOK, pageData{Title: "New local password", Made: made, Servers: s.servers()})
}

// revokePassword does what `postern password revoke` does.
func (s *Server) revokePassword(w http.ResponseWriter, r *http.Request, _ *visitor) {
	email := r.PathValue("account")
	was, err := s.Accounts.RevokePassword(r.Context(), email, r.PathValue("id"))
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.Sessions.EndPassword(email, was.ID, errRevoked)
	s.backTo(w, r, email)
}

// signOut does what `postern logout` does. It is done, and the provider told, also when the browser does not wait for it.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request, _ *visitor) {
	email := r.PathValue("account")
	if err := s.Accounts.Logout(context.WithoutCancel(r.Context()), email); err != nil {
		s.refuse(w, err)
		return
	}
	s.Sessions.EndSessions(email, errSignedOut)
	s.backTo(w, r, email)
}

func (s *Server) backTo(w http.ResponseWriter, r *http.Request, email string) {
	http.Redirect(w, r, "/#"+elementID(email), http.StatusSeeOther)
}

func (s *Server) refuse(w http.ResponseWriter, err error) {
	s.render(w, "refused", statusOf(err), pageData{Title: "That did not work", Trouble: sentence(err), Cure: cure(err)})
}
