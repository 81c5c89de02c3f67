package control

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// ErrNoPage means that the daemon has no web page.
var ErrNoPage = errors.New("the web page is off")

// Link returns an address that opens the web page for one browser, within two minutes; ErrNoPage.
func (s *Server) Link() (string, error) { return s.LinkFor(anyUser) }

// LinkFor is Link for the browsers of one user of this machine, by the user's number, as far as the system tells whose
// a browser is: the address is an argument of the browser's process, and every user can see those. ErrNoPage.
func (s *Server) LinkFor(user int) (string, error) {
	return s.link(link{until: time.Now().Add(linkLife), user: user})
}

// StandingLink returns an address that opens the web page for any number of browsers while the daemon runs: for the
// demo, which nobody can ask for another. ErrNoPage.
func (s *Server) StandingLink() (string, error) {
	return s.link(link{until: time.Now().AddDate(100, 0, 0), again: true, user: anyUser})
}

func (s *Server) link(to link) (string, error) {
	for _, l := range s.Listeners() {
		if l.Name == "web" {
			return "http://" + l.Address + "/open?" + url.Values{"with": {s.visitors.invite(to)}}.Encode(), nil
		}
	}
	return "", ErrNoPage
}

// open makes a browser a visitor.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.Header.Get("Sec-Purpose"), "prefetch") { // the link is for the person, not for a guess
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	cookie, ok := s.visitors.enter(r.URL.Query().Get("with"), userOf(r))
	switch {
	case ok:
		http.SetCookie(w, &http.Cookie{
			Name: cookieName(r), Value: cookie, Path: "/", MaxAge: int(visitLife / time.Second),
			HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
		s.log().Info("web page opened", "remote", remoteHost(r), "audit", true)
	case s.visitors.of(r) == nil:
		s.log().Warn("web page refused", "remote", remoteHost(r), "reason", "the link was used before, is too old, or is for another user", "audit", true)
		s.render(w, "denied", http.StatusForbidden, pageData{Title: "This link is used up", Trouble: "A link opens the page once, and for two minutes."})
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// userOf is whose process asks; anyUser when the system does not tell.
func userOf(r *http.Request) int {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if !ok || err != nil {
		return anyUser
	}
	at := local.AddrPort()
	if uid, ok := peerUser(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())); ok {
		return uid
	}
	return anyUser
}

// leave takes the page away from a browser.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, _ *visitor) {
	s.visitors.leave(r)
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	s.render(w, "denied", http.StatusOK, pageData{Title: "This page is closed"})
}

func remoteHost(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
