package control

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/auth"
)

func TestPageNeedsALink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := &browser{w: w}
	forged := &browser{w: w, cookie: &http.Cookie{Name: "postern-1180", Value: "guessed"}}
	otherPort := w.browser()
	otherPort.cookie.Name = "postern-1181"
	for name, b := range map[string]*browser{"no cookie": stranger, "a guessed cookie": forged, "a cookie for another port": otherPort} {
		for _, path := range []string{"/", "/clients", "/clients?client=mutt&account=" + ann, "/clients/thunderbird/" + ann, "/password", "/live", "/accounts/" + ann, "/nothing"} {
			res := b.do(http.MethodGet, path, nil)
			if page := body(res); res.StatusCode != http.StatusForbidden || strings.Contains(page, "example.com") || !strings.Contains(page, "postern open") {
				t.Errorf("%s with %s: %s\n%s", path, name, res.Status, page)
			}
		}
	}
}

// TestEveryPostIsRefused forges each in each way, and looks whether anything happened.
func TestEveryPostIsRefused(t *testing.T) {
	t.Parallel()
	posts := []string{
		"/accounts/" + ann + "/passwords", "/accounts/" + ann + "/passwords/keep/revoke", "/accounts/" + ann + "/sign-out", "/pause", "/leave", "/sign-in/" + ann,
	}
	header := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Del("Origin")
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
	}
	forgeries := map[string]func(*http.Request){
		"another site":                      header("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"),
		"another site, an old browser":      header("Origin", "https://evil.example"),
		"another site that says it is ours": header("Sec-Fetch-Site", "cross-site", "Origin", here),
		"another port of this machine":      header("Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:8000"),
		"another port, an old browser":      header("Origin", "http://127.0.0.1:8000"),
		"a sandboxed frame":                 header("Sec-Fetch-Site", "cross-site", "Origin", "null"),
		"a sandboxed frame, an old browser": header("Origin", "null"),
		"a program that sends no origin":    header(),
		"typed by the person":               header("Sec-Fetch-Site", "none"),
		"DNS rebinding": func(r *http.Request) {
			r.Host = "evil.example:1180"
			r.Header.Set("Origin", "http://evil.example:1180")
		},
		"a name that begins like this host": func(r *http.Request) { r.Host = "127.0.0.1.evil.example:1180" },
		"a name that begins with localhost": func(r *http.Request) { r.Host = "localhost.evil.example" },
		"an address of the network":         func(r *http.Request) { r.Host = "192.168.1.2:1180" },
		"no host":                           func(r *http.Request) { r.Host = "" },
		"no cookie":                         func(r *http.Request) { r.Header.Del("Cookie") },
	}
	for name, forge := range forgeries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if _, _, err := w.manager.AddPassword(t.Context(), ann, auth.NewPassword{Label: "keep"}); err != nil {
				t.Fatal(err)
			}
			b := w.browser()
			events := len(w.Recent.Events())
			b.change = forge
			for _, path := range posts {
				if name == "no cookie" && strings.HasPrefix(path, "/sign-in/") {
					continue // a mail client's message leads there
				}
				res := b.do(http.MethodPost, path, url.Values{"label": {"forged"}})
				if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusMisdirectedRequest {
					t.Errorf("%s: %s", path, res.Status)
				}
			}
			b.change = nil
			if got := w.passwords(); got != "keep " || len(w.sessions.ended) > 0 || !w.sessions.paused.IsZero() || len(w.Recent.Events()) != events {
				t.Errorf("something happened: passwords %q, sessions ended %q, events %v", got, w.sessions.ended, w.Recent.Events())
			}
			if res := b.do(http.MethodGet, "/", nil); res.StatusCode != http.StatusOK {
				t.Error("the page was closed:", res.Status)
			}
		})
	}
}

func TestNothingForAnotherHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	for host, want := range map[string]int{
		"127.0.0.1:1180": 200, "evil.example:1180": 421, "evil.example": 421, "localhost.:1180": 421, "[fe80::1]:1180": 421, "0.0.0.0:1180": 421, "": 421,
	} {
		for _, path := range []string{"/", "/sign-in/" + ann, "/clients/thunderbird/" + ann, "/page.css", "/live"} {
			if want == 200 && path == "/live" {
				continue // has no end
			}
			b.change = func(r *http.Request) { r.Host = host }
			if res := b.do(http.MethodGet, path, nil); res.StatusCode != want {
				t.Errorf("%s for host %q: %s", path, host, res.Status)
			}
		}
	}
	for _, host := range []string{"localhost:1180", "[::1]:1180", "127.8.9.10:1180"} {
		b := &browser{w: w, change: func(r *http.Request) { r.Host = host }}
		if res := b.do(http.MethodGet, "/sign-in/"+ann, nil); res.StatusCode != http.StatusOK {
			t.Errorf("host %q: %s", host, res.Status)
		}
	}
}

func TestLinkOpensOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link, err := w.Link()
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(link, here)
	guess := &browser{w: w, change: func(r *http.Request) { r.Header.Set("Sec-Purpose", "prefetch;prerender") }}
	guess.do(http.MethodGet, path, nil)
	first, second := &browser{w: w}, &browser{w: w}
	res := first.do(http.MethodGet, path, nil)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" {
		t.Fatal(res.Status)
	}
	if c := first.cookie; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge > 86400 || len(c.Value) < 26 {
		t.Errorf("cookie %v", c)
	}
	if res := second.do(http.MethodGet, path, nil); res.StatusCode != http.StatusForbidden || second.cookie != nil {
		t.Error("used twice:", res.Status)
	}
	if res := first.do(http.MethodGet, path, nil); res.StatusCode != http.StatusSeeOther {
		t.Error("the browser that has it already:", res.Status)
	}
	for _, path := range []string{"/open", "/open?with=", "/open?with=guess"} {
		if res := second.do(http.MethodGet, path, nil); res.StatusCode != http.StatusForbidden {
			t.Error(path, res.Status)
		}
	}
	if log := w.log.String(); !strings.Contains(log, "web page refused") || strings.Contains(log, strings.TrimPrefix(path, "/open?with=")) {
		t.Error("log:", log)
	}
}

func TestLinkAndVisitEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link, _ := w.Link()
		b := w.browser()
		time.Sleep(linkLife)
		if res := (&browser{w: w}).do(http.MethodGet, strings.TrimPrefix(link, here), nil); res.StatusCode != http.StatusForbidden {
			t.Error("an old link:", res.Status)
		}
		if res := b.do(http.MethodGet, "/", nil); res.StatusCode != http.StatusOK {
			t.Error("a young visit:", res.Status)
		}
		time.Sleep(visitLife)
		if res := b.do(http.MethodGet, "/", nil); res.StatusCode != http.StatusForbidden {
			t.Error("an old visit:", res.Status)
		}
	})
}

func TestLeave(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	cookie := *b.cookie
	b.do(http.MethodPost, "/leave", nil)
	b.cookie = &cookie
	if res := b.do(http.MethodGet, "/", nil); res.StatusCode != http.StatusForbidden {
		t.Error(res.Status)
	}
}

func TestVisitorsAreFew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.browser()
	for range visitorsMax {
		w.browser()
	}
	if n := len(w.visitors.in); n > visitorsMax {
		t.Error(n, "visitors")
	}
	if res := first.do(http.MethodGet, "/", nil); res.StatusCode != http.StatusForbidden {
		t.Error("the first was not the one to go:", res.Status)
	}
	for range 3 * visitorsMax {
		w.Link()
	}
	if n := len(w.visitors.links); n > visitorsMax {
		t.Error(n, "links")
	}
}

func TestNoPageNoLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Server.Listeners = func() []Listener { return nil }
	rec := httptest.NewRecorder()
	w.API().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/open", nil))
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), `"url":""`) {
		t.Error(rec.Code, rec.Body)
	}
}

// TestSignInWithoutCookie is the way of a person whose mail client showed them the address.
func TestSignInWithoutCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := &browser{w: w}
	for _, email := range []string{ann, "nobody@example.com"} {
		res := b.do(http.MethodGet, SignInPath(email), nil)
		page := body(res)
		if res.StatusCode != http.StatusOK || !strings.Contains(page, email) || strings.Contains(page, "ever signed in") || strings.Contains(page, "lab") {
			t.Errorf("%s: %s\n%s", email, res.Status, page)
		}
	}
	if page := body(b.do(http.MethodGet, "/sign-in/Your%20machine%20is%20infected", nil)); strings.Contains(page, "infected") {
		t.Error("shows any text:", page)
	}
	res := b.do(http.MethodPost, SignInPath(ann), nil)
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "https://login.example/authorize?") {
		t.Error(res.Status, to)
	}
	if b.cookie != nil {
		t.Error("a cookie:", b.cookie)
	}
	if res := b.do(http.MethodPost, SignInPath("nobody@example.com"), nil); res.StatusCode != http.StatusNotFound {
		t.Error(res.Status)
	}
}

// TestCookieLeftOut: a strict cookie does not come along where another site's link led here.
func TestCookieLeftOut(t *testing.T) {
	t.Parallel()
	b := &browser{w: newWorld(t)}
	for site, again := range map[string]bool{"cross-site": true, "same-site": true, "same-origin": false, "none": false} {
		b.change = func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) }
		if page := body(b.do(http.MethodGet, "/", nil)); strings.Contains(page, `http-equiv="refresh"`) != again {
			t.Errorf("%s: tries again %v", site, !again)
		}
	}
}
