package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"strings"

	"postern/auth"
)

//go:embed page
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(pageWords).ParseFS(pageFiles, "page/*.html"))

// Page is the web page for a person on this machine. All of it but the way to sign in is for browsers that
// came by a Link. It works without script, which only keeps it up to date and copies text.
func (s *Server) Page() http.Handler {
	mux := http.NewServeMux()
	for name, kind := range map[string]string{"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind+"; charset=utf-8")
			http.ServeFileFS(w, r, pageFiles, "page/"+name)
		})
	}
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /open", s.open)
	mux.HandleFunc("GET /sign-in/{account}", s.askSignIn)
	mux.HandleFunc("POST /sign-in/{account}", s.signIn)
	mux.HandleFunc("/", s.invited(func(w http.ResponseWriter, r *http.Request, _ *visitor) {
		s.render(w, "refused", http.StatusNotFound, pageData{Title: "There is no such page"})
	}))
	mux.HandleFunc("GET /{$}", s.invited(s.show))
	mux.HandleFunc("GET /live", s.invited(s.live))
	mux.HandleFunc("GET /clients", s.invited(s.showClient))
	mux.HandleFunc("GET /clients/{client}/{account}", s.invited(s.clientFile))
	mux.HandleFunc("GET /password", s.invited(s.showPassword))
	mux.HandleFunc("POST /accounts/{account}/passwords", s.invited(s.addPassword))
	mux.HandleFunc("POST /accounts/{account}/passwords/{id}/revoke", s.invited(s.revokePassword))
	mux.HandleFunc("POST /accounts/{account}/sign-out", s.invited(s.signOut))
	mux.HandleFunc("POST /pause", s.invited(s.pausePage))
	mux.HandleFunc("POST /resume", s.invited(s.resumePage))
	mux.HandleFunc("POST /leave", s.invited(s.leave))
	return onlyHere(mux)
}

// pageData is what the templates are filled with; each takes what it needs.
type pageData struct {
	Title, Version string
	Status         Status
	Accounts       []accountView
	Events         []RecentEvent
	Trouble, Cure  string
	Wanted         string // the account that is asked for
	Again          bool   // try once more by itself
	Made           *madePassword
	Servers        []server
	Programs       []Program
	Program        string
	Settings       *Settings
}

// accountView is an account with what only the page shows.
type accountView struct {
	Account
	ID        string // of its element
	App       bool   // it signs in by itself
	Local     []auth.PasswordInfo
	NotListed string // why Local is not known
}

// eventsShown are as many as a person looks through.
const eventsShown = 30

func (s *Server) overview(ctx context.Context) pageData {
	st, err := s.status(ctx)
	data := pageData{Status: st}
	if err != nil {
		data.Trouble, data.Cure = sentence(err), cure(err)
	}
	for _, a := range st.Accounts {
		v := accountView{Account: a, ID: elementID(a.Account)}
		if account, err := s.Accounts.Account(ctx, a.Account); err == nil {
			v.App = account.Flow == auth.FlowClientCredentials
		}
		if v.Local, err = s.Accounts.Passwords(ctx, a.Account); err != nil {
			v.NotListed = sentence(err)
		}
		data.Accounts = append(data.Accounts, v)
	}
	data.Events = s.Recent.Events()
	if len(data.Events) > eventsShown {
		data.Events = data.Events[:eventsShown]
	}
	return data
}

func (s *Server) show(w http.ResponseWriter, r *http.Request, _ *visitor) {
	data := s.overview(r.Context())
	data.Title = "Accounts"
	s.render(w, "overview", http.StatusOK, data)
}

func (s *Server) render(w http.ResponseWriter, name string, status int, data pageData) {
	data.Version = s.Version
	var html bytes.Buffer
	if err := pages.ExecuteTemplate(&html, name+".html", data); err != nil {
		s.log().Error("page failed", "page", name, "err", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(html.Bytes())
}

// elementID names an account within the page; an address may hold what an id and a fragment can not.
func elementID(email string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	return "account-" + hex.EncodeToString(sum[:6])
}
