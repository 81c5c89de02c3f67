package control

import (
	"errors"
	"net/http"
	"net/mail"
	"net/url"

	"postern/auth"
)

// SignInPath is the page on which a person signs an account in; a mail client's message names it, so it
// opens for anybody on this machine and shows nothing but a name and a button.
func SignInPath(account string) string { return "/sign-in/" + url.PathEscape(account) }

// askSignIn does not look whether there is such an account: who may not see the page may not ask that.
func (s *Server) askSignIn(w http.ResponseWriter, r *http.Request) {
	email := r.PathValue("account")
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email {
		s.render(w, "sign-in", http.StatusNotFound, pageData{Title: "Sign in", Trouble: "This is not the address of an account."})
		return
	}
	s.render(w, "sign-in", http.StatusOK, pageData{Title: "Sign in", Wanted: email})
}

// signIn sends the browser to the provider; the sign-in's own listener takes the answer. An app that signs in
// by itself does so here.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	email := r.PathValue("account")
	account, err := s.Accounts.Account(r.Context(), email)
	if err == nil && account.Flow == auth.FlowClientCredentials {
		if err = s.Accounts.SignInApp(r.Context(), email); err == nil {
			s.backTo(w, r, email)
			return
		}
	}
	if err == nil {
		var begun *auth.BrowserSignIn
		if begun, err = s.Accounts.BeginBrowser(r.Context(), email); err == nil {
			http.Redirect(w, r, begun.URL(), http.StatusSeeOther)
			return
		}
	}
	s.render(w, "sign-in", statusOf(err), pageData{Title: "Sign in", Trouble: sentence(err), Cure: cure(err), Wanted: email})
}

func statusOf(err error) int {
	if errors.Is(err, auth.ErrUnknownAccount) {
		return http.StatusNotFound
	}
	return http.StatusBadGateway
}

// sentence and cure are what a person is told.
func sentence(err error) string {
	if p, ok := errors.AsType[*auth.Problem](err); ok {
		return p.Say
	}
	if errors.Is(err, auth.ErrUnknownAccount) {
		return "Postern has no such account"
	}
	return err.Error()
}

func cure(err error) string {
	if p, ok := errors.AsType[*auth.Problem](err); ok {
		return p.Cure
	}
	if errors.Is(err, auth.ErrUnknownAccount) {
		return "look at the address; postern account list shows the accounts that there are"
	}
	return ""
}
