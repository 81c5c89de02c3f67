package auth

import (
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

//go:embed callback.html
var callbackHTML string

var callbackPage = template.Must(template.New("callback").Parse(callbackHTML))

// callbackData is what the page shows.
type callbackData struct {
	Title, Text, Cure string
	Well              bool
	Broken            bool // Cure is what mends it, and no sentence
}

// handle takes the browser's answer on the loopback interface. Only a request that can be nothing else uses
// the sign-in up: any page in the browser, and any program on this machine, can send others.
func (b *BrowserSignIn) handle(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	switch {
	case !b.isHere(r.Host): // a name that was made to point here (DNS rebinding)
		http.Error(w, "this port only answers for localhost", http.StatusMisdirectedRequest)
	case r.URL.Path != "/":
		http.NotFound(w, r)
	case r.Method != http.MethodGet:
		h.Set("Allow", http.MethodGet)
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
	default:
		b.answer(w, r)
	}
}

func (b *BrowserSignIn) isHere(host string) bool {
	port := ":" + strconv.Itoa(b.port)
	return slices.Contains([]string{"localhost" + port, "127.0.0.1" + port, "[::1]" + port}, strings.ToLower(host))
}

func (b *BrowserSignIn) answer(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		b.show(w, http.StatusBadRequest, refusedPage(errNoAnswer))
		return
	}
	got, err := readResponse(q, b.state)
	if err != nil {
		b.show(w, http.StatusBadRequest, refusedPage(err))
		return
	}
	if err := b.m.begin(); err != nil {
		b.show(w, http.StatusServiceUnavailable, refusedPage(err))
		return
	}
	defer b.m.running.Done()
	first, err := b.take(r.Context(), got)
	b.show(w, statusOf(err), b.endPage(first, err))
}

func statusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if p, ok := errors.AsType[*Problem](err); ok && p.Class == Retry {
		return http.StatusBadGateway
	}
	return http.StatusForbidden
}

func refusedPage(why error) callbackData {
	return callbackData{
		Title: "This is not the answer to a sign-in",
		Text:  "Postern waits for the answer of your mail provider, and this is not it: " + why.Error() + ".",
		Cure:  "Go back to the page where you signed in. The sign-in is still open.",
	}
}

func (b *BrowserSignIn) endPage(first bool, err error) callbackData {
	if err != nil {
		d := callbackData{Title: "Not signed in", Text: b.account.Email + ": " + err.Error() + "."}
		if p, ok := errors.AsType[*Problem](err); ok {
			d.Cure, d.Broken = p.Cure, true
		}
		return d
	}
	d := callbackData{
		Well: true, Title: "Signed in", Text: b.account.Email + " is signed in.",
		Cure: "You can close this page and go back to your mail program.",
	}
	if !first {
		d.Title, d.Cure = "Already signed in", "This sign-in was completed in another tab. You can close this one."
	}
	return d
}

func (b *BrowserSignIn) show(w http.ResponseWriter, status int, d callbackData) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := callbackPage.Execute(w, d); err != nil {
		b.m.log.Debug("page not sent", "err", err)
	}
}
