package control

import (
	"net/http"
	"strings"
	"testing"
)

func TestPauseOnThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	if page := body(b.do(http.MethodGet, "/", nil)); !strings.Contains(page, `action="/pause"`) || strings.Contains(page, "/resume") {
		t.Error("before:", page)
	}
	if res := b.do(http.MethodPost, "/pause", nil); res.StatusCode != http.StatusSeeOther || w.sessions.paused.IsZero() {
		t.Error("pause:", res.Status, w.sessions.paused)
	}
	b.do(http.MethodPost, "/pause", nil) // from a page that is not up to date
	page := body(b.do(http.MethodGet, "/", nil))
	if !strings.Contains(page, "Paused since") || !strings.Contains(page, `action="/resume"`) || strings.Contains(page, `action="/pause"`) || strings.Contains(page, "All is well") {
		t.Error("paused:", page)
	}
	if res := b.do(http.MethodPost, "/resume", nil); res.StatusCode != http.StatusSeeOther || !w.sessions.paused.IsZero() {
		t.Error("resume:", res.Status, w.sessions.paused)
	}
	var events []string
	for _, e := range w.Recent.Events() {
		text := e.Message
		for _, d := range e.Details {
			text += " " + d.Key + "=" + d.Value
		}
		events = append(events, text)
	}
	if got, want := strings.Join(events, "\n"), "resumed by=page\npaused by=page sessions=1\n"; !strings.HasPrefix(got, want) {
		t.Errorf("audit %q, want %q", got, want)
	}
}

func TestPauseOverTheSocket(t *testing.T) {
	t.Parallel()
	s, c, _ := serveControl(t, nil)
	sessions := &fakeSessions{}
	s.Sessions = sessions
	for i, want := range []int{1, 0} {
		if n, err := c.Pause(t.Context()); n != want || err != nil || sessions.paused.IsZero() {
			t.Errorf("pause %d: %d, %v", i, n, err)
		}
	}
	for range 2 {
		if err := c.Resume(t.Context()); err != nil || !sessions.paused.IsZero() {
			t.Errorf("resume: %v", err)
		}
	}
}
