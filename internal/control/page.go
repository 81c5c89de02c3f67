package control

import (
	_ "embed"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/url"

	"postern/auth"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS []byte

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// Page is the web page for a person on this machine: the accounts with their state, and the way to sign in.
// It refuses requests that were made for another host (DNS rebinding) and posts from other pages.
func (s *Server) Page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { s.show(w, r, "") })
	mux.HandleFunc("GET /page.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Write(pageCSS)
	})
	mux.HandleFunc("GET /sign-in/{account}", func(w http.ResponseWriter, r *http.Request) { s.show(w, r, r.PathValue("account")) })
	mux.HandleFunc("POST /sign-in/{account}", s.signIn)
	return onlyHere(http.NewCrossOriginProtection().Handler(mux))
}

// SignInPath is the page on which a person signs an account in.
func SignInPath(account string) string { return "/sign-in/" + url.PathEscape(account) }

type pageData struct {
	Version  string
	Accounts []Account
	Wanted   string // the account that a client's message led here for
	Trouble  string
}

func (s *Server) show(w http.ResponseWriter, r *http.Request, wanted string) {
	s.render(w, r, http.StatusOK, pageData{Wanted: wanted})
}

func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, data pageData) {
	st, err := s.status(r.Context())
	if err != nil {
		data.Trouble = err.Error()
	}
	data.Version, data.Accounts = s.Version, st.Accounts
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := pageTemplate.Execute(w, data); err != nil {
		s.log().Error("page failed", "err", err)
	}
}

// signIn begins a sign-in and sends the browser to the provider. The sign-in's own listener takes the answer.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	account := r.PathValue("account")
	begun, err := s.Accounts.BeginBrowser(r.Context(), account)
	if err != nil {
		status := http.StatusBadGateway
		if errors.Is(err, auth.ErrUnknownAccount) {
			status = http.StatusNotFound
		}
		s.render(w, r, status, pageData{Trouble: err.Error()})
		return
	}
	http.Redirect(w, r, begun.URL(), http.StatusSeeOther)
}

// onlyHere sets what every answer carries and refuses names that are not this machine's.
func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self' https: http://localhost:* http://127.0.0.1:*; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this page is only for the machine it runs on", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
