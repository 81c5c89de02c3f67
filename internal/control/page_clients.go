package control

import (
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

// Clients writes settings for mail clients, for the page.
type Clients struct {
	Programs []Program
	// Settings are one program's for one account. The error says what is missing, and how to mend it.
	Settings func(ctx context.Context, program, account string) (Settings, error)
}

// Program is a mail client.
type Program struct {
	Name  string // as `postern client` takes it
	Title string // for people
}

// Settings is what to copy, with a word about it.
type Settings struct {
	Text  string
	Goes  string   // the file where it belongs; may be empty
	Notes []string // plain sentences
	Cure  string   // with an error: what mends it

	// FileName and MediaType are for settings that a program opens as a file; empty when there is no such program.
	FileName, MediaType string
}

// server is where a mail client connects, as its account dialogue asks for it.
type server struct{ Protocol, Host, Port, Security string }

// servers are the listeners of mail clients.
func (s *Server) servers() []server {
	var all []server
	for _, l := range s.Listeners() {
		host, port, err := net.SplitHostPort(l.Address)
		if err != nil {
			continue
		}
		ip := net.ParseIP(host)
		if ip != nil && ip.IsUnspecified() { // any address of this machine
			host = "127.0.0.1"
		}
		protocol, security := l.Name, "none"
		if ip != nil && ip.IsLoopback() {
			security = "none (it does not leave this machine)"
		}
		switch l.Name {
		case "imap", "smtp", "pop3":
			if l.TLS {
				security = "STARTTLS"
			}
		case "imaps":
			protocol, security = "imap", "TLS"
		default:
			continue
		}
		all = append(all, server{strings.ToUpper(protocol), host, port, security})
	}
	return all
}

// showClient shows settings to copy. Account and program are chosen by the query.
func (s *Server) showClient(w http.ResponseWriter, r *http.Request, _ *visitor) {
	st, err := s.status(r.Context())
	if err != nil {
		s.refuse(w, err)
		return
	}
	data := pageData{Title: "Settings for mail clients", Servers: s.servers(), Wanted: r.FormValue("account"), Program: r.FormValue("client")}
	for _, a := range st.Accounts {
		data.Accounts = append(data.Accounts, accountView{Account: a})
	}
	if data.Wanted == "" && len(st.Accounts) > 0 {
		data.Wanted = st.Accounts[0].Account
	}
	if s.Clients != nil {
		data.Programs = s.Clients.Programs
		if data.Program != "" {
			settings, err := s.Clients.Settings(r.Context(), data.Program, data.Wanted)
			if err != nil {
				data.Trouble, data.Cure = sentence(err), cmp.Or(settings.Cure, cure(err))
			}
			data.Settings = &settings
		}
	}
	s.render(w, "clients", http.StatusOK, data)
}

// clientFile hands out settings as the file that a program opens. They hold no secret, but whose mail is here is
// nobody's business who has not come by a link.
func (s *Server) clientFile(w http.ResponseWriter, r *http.Request, _ *visitor) {
	var settings Settings
	err := errNoFile
	if s.Clients != nil {
		settings, err = s.Clients.Settings(r.Context(), r.PathValue("client"), r.PathValue("account"))
	}
	if err == nil && settings.FileName == "" {
		err = errNoFile
	}
	if err != nil {
		s.render(w, "refused", http.StatusNotFound, pageData{Title: "There is no such file", Trouble: sentence(err), Cure: cmp.Or(settings.Cure, cure(err))})
		return
	}
	w.Header().Set("Content-Type", settings.MediaType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": settings.FileName}))
	io.WriteString(w, settings.Text)
}

var errNoFile = errors.New("this program takes no file of settings")
