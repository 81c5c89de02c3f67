package control

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/auth"
)

// TestLive reads what the page's script reads.
func TestLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv := httptest.NewServer(w.page)
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	cookie := *w.browser().cookie
	cookie.Name = cookieName(&http.Request{Host: strings.TrimPrefix(srv.URL, "http://")})
	req.AddCookie(&cookie)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(res, err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	next := func() (u update) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				json.Unmarshal([]byte(data), &u)
				return u
			}
		}
		t.Fatal("no further event:", lines.Err())
		return u
	}
	id := elementID(ann)
	first := next()
	if !strings.Contains(first.Parts[id], "Never signed in") || strings.Contains(first.Parts["events"], "fresh") {
		t.Fatalf("%+v", first)
	}
	if _, _, err := w.manager.AddPassword(ctx, ann, auth.NewPassword{Label: "fresh"}); err != nil {
		t.Fatal(err)
	}
	second := next()
	if !strings.Contains(second.Parts["events"], "fresh") || !strings.Contains(second.Parts[id+"-passwords"], "fresh") || second.Same != first.Same {
		t.Fatalf("%+v", second)
	}
	leave := &browser{w: w, cookie: &cookie, change: func(r *http.Request) { r.Host = strings.TrimPrefix(srv.URL, "http://"); r.Header.Del("Origin") }}
	leave.do(http.MethodPost, "/leave", nil)
	w.Log.Info("anything", "audit", true)
	for lines.Scan() {
		if lines.Text() == "event: over" {
			return
		}
	}
	t.Error("goes on after the visit's end")
}

func TestLivePagesAreFew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.watching.Store(liveMax)
	if res := w.browser().do(http.MethodGet, "/live", nil); res.StatusCode != http.StatusServiceUnavailable {
		t.Error(res.Status)
	}
	if n := w.watching.Load(); n != liveMax {
		t.Error("counted", n)
	}
}
