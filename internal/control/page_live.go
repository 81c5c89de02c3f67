package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	liveEvery = 2 * time.Second // what no event tells of: bytes, sessions, another process's changes
	liveMax   = 16              // pages that are kept up to date at once
)

// update is what the page's script gets: the parts that may change, by the id of their element.
type update struct {
	Parts map[string]string `json:"parts"`
	Same  string            `json:"same"` // changes when parts come or go: the page must be loaded anew
}

// live keeps a page up to date by server-sent events (HTML standard, section 9.2) until the browser leaves,
// its time is over, or the daemon stops.
func (s *Server) live(w http.ResponseWriter, r *http.Request, _ *visitor) {
	if s.watching.Add(1) > liveMax {
		s.watching.Add(-1)
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer s.watching.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	last := ""
	for s.visitors.of(r) != nil {
		happened := s.Recent.wait()
		next, err := s.update(r)
		if err != nil {
			s.log().Warn("page not updated", "err", err)
			return
		}
		if next == last {
			next = ": nothing new\n\n" // finds out whether the browser is still there
		} else {
			last = next
		}
		out.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprint(w, next); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-happened:
		case <-tick.C:
		}
	}
	fmt.Fprint(w, "event: over\ndata: \n\n")
}

func (s *Server) update(r *http.Request) (string, error) {
	data := s.overview(r.Context())
	u := update{Parts: map[string]string{}}
	part := func(id, name string, of any) error {
		var html strings.Builder
		err := pages.ExecuteTemplate(&html, name, of)
		u.Parts[id] = html.String()
		u.Same += id + " "
		return err
	}
	err := part("summary", "summary", data)
	if err == nil {
		err = part("pause", "pause", data)
	}
	if err == nil {
		err = part("events", "events", data)
	}
	for _, a := range data.Accounts {
		if err == nil {
			err = part(a.ID, "state", a)
		}
		if err == nil {
			err = part(a.ID+"-passwords", "passwords", a)
		}
	}
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(u)
	return "data: " + string(text) + "\n\n", err
}
