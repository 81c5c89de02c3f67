package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"
)

// Event is something that a command did and that belongs in the daemon's log, where audits are made.
type Event struct {
	Time    time.Time   `json:"time"`
	Level   slog.Level  `json:"level"`
	Message string      `json:"message"`
	Attrs   [][2]string `json:"attrs"` // names and values, in order
}

// Audit puts an event into the daemon's log. Where none runs it is kept in the state directory, for the log of
// the next one. The error says that neither was possible.
func (c *Client) Audit(ctx context.Context, e Event) error {
	if err := c.send(ctx, http.MethodPost, "/v1/audit", e, new(struct{})); err == nil {
		return nil
	}
	return keepEvent(c.stateDir, e)
}

// audit logs what a command did.
func (s *Server) audit(w http.ResponseWriter, r *http.Request) {
	var e Event
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&e); err != nil {
		answer(w, nil, err)
		return
	}
	s.logEvent(e, false)
	answer(w, struct{}{}, nil)
}

// logEvent writes a command's event, an earlier one with the time at which it was: journals stamp lines themselves.
func (s *Server) logEvent(e Event, earlier bool) {
	at := time.Now()
	if earlier {
		at = e.Time
	}
	r := slog.NewRecord(at, e.Level, e.Message, 0)
	for _, a := range e.Attrs {
		r.AddAttrs(slog.String(a[0], a[1]))
	}
	if earlier {
		r.AddAttrs(slog.Time("at", e.Time))
	}
	r.AddAttrs(slog.String("by", "command"), slog.Bool("audit", true))
	if h := s.log().Handler(); h.Enabled(context.Background(), e.Level) {
		h.Handle(context.Background(), r)
	}
}
