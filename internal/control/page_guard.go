package control

import (
	"net"
	"net/http"
	"net/url"
)

// The referrer policy is not no-referrer: under that, browsers send posts with "Origin: null".
var pageHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self' https: http://localhost:* http://127.0.0.1:*; frame-ancestors 'none'; base-uri 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "same-origin",
	"Cache-Control":                "no-store",
	"X-Content-Type-Options":       "nosniff",
}

// onlyHere sets what every answer carries, refuses names that are not this machine's (DNS rebinding), and
// what other pages post.
func onlyHere(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range pageHeaders {
			w.Header().Set(name, value)
		}
		if !isHere(r.Host) {
			http.Error(w, "this page is only for the machine it runs on", http.StatusMisdirectedRequest)
			return
		}
		if changes(r) && !fromThisPage(r) {
			http.Error(w, "this did not come from Postern's own page", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isHere(hostPort string) bool {
	host := (&url.URL{Host: hostPort}).Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func changes(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// fromThisPage asks for a proof, where http.CrossOriginProtection lets pass what carries none: a program of
// another user of this machine is no browser.
func fromThisPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return r.Header.Get("Origin") == "http://"+r.Host
}

// invited lets only visitors through. Others are told how to become one.
func (s *Server) invited(next func(http.ResponseWriter, *http.Request, *visitor)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if who := s.visitors.of(r); who != nil {
			next(w, r, who)
			return
		}
		s.uninvited(w, r)
	}
}

func (s *Server) uninvited(w http.ResponseWriter, r *http.Request) {
	site := r.Header.Get("Sec-Fetch-Site")
	// A strict cookie is left out when another site's link, or an application's, led here. It comes with a
	// request that this page makes.
	again := r.Method == http.MethodGet && r.URL.Path == "/" && site != "" && site != "same-origin" && site != "none"
	s.render(w, "denied", http.StatusForbidden, pageData{Title: "This page needs a link", Again: again})
}
