package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
)

// Event is something that a command did and that belongs in the daemon's log, where audits are made.
type Event struct {
	Level   slog.Level  `json:"level"`
	Message string      `json:"message"`
	Attrs   [][2]string `json:"attrs"` // names and values, in order
}

// Audit puts an event into the daemon's log; ErrNotRunning.
func (c *Client) Audit(ctx context.Context, e Event) error {
	return c.send(ctx, http.MethodPost, "/v1/audit", e, new(struct{}))
}

// audit logs what a command did.
func (s *Server) audit(w http.ResponseWriter, r *http.Request) {
	var e Event
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&e); err != nil {
		answer(w, nil, err)
		return
	}
	attrs := make([]slog.Attr, 0, len(e.Attrs)+2)
	for _, a := range e.Attrs {
		attrs = append(attrs, slog.String(a[0], a[1]))
	}
	s.log().LogAttrs(r.Context(), e.Level, e.Message, append(attrs, slog.String("by", "command"), slog.Bool("audit", true))...)
	answer(w, struct{}{}, nil)
}
