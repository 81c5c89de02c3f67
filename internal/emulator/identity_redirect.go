package emulator

import (
	"net/http"
	"net/url"
	"slices"
)

// redirectAllowed tells whether a redirect URI is registered. Microsoft ignores the port of a loopback http URI and
// compares its path with case; [::1] is not supported; everything else is compared as it stands ("Redirect URI
// restrictions", reply-url page, read 2026-11).
func redirectAllowed(registered []string, asked string) bool {
	return slices.ContainsFunc(registered, func(have string) bool {
		return have == asked || sameLoopback(have, asked)
	})
}

func sameLoopback(have, asked string) bool {
	h, err := url.Parse(have)
	if err != nil {
		return false
	}
	a, err := url.Parse(asked)
	if err != nil || h.Scheme != "http" || a.Scheme != "http" || h.Hostname() != a.Hostname() {
		return false
	}
	if host := a.Hostname(); host != "localhost" && host != "127.0.0.1" {
		return false
	}
	return rooted(h.Path) == rooted(a.Path) && h.RawQuery == a.RawQuery && a.Fragment == "" && a.User == nil
}

func rooted(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// redirect takes the browser back to the client. A redirect URI without path comes back with a slash.
func (s *signIn) redirect(v url.Values) answer {
	if s.state != "" {
		v.Set("state", s.state)
	}
	to, err := url.Parse(s.redirectURI)
	if err != nil {
		return errorPage(refuse(50011))
	}
	to.Path = rooted(to.Path)
	switch s.responseMode {
	case "form_post":
		return htmlPage(http.StatusOK, postPage, struct {
			To     string
			Values url.Values
		}{to.String(), v})
	case "fragment":
		return answer{location: to.String() + "#" + v.Encode()}
	}
	query := to.Query()
	for name, list := range v {
		query[name] = list
	}
	to.RawQuery = query.Encode()
	return answer{location: to.String()}
}
