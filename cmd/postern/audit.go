package main

import (
	"context"
	"log/slog"
	"time"

	"postern/internal/control"
)

// auditHandler is the log of a command. What is for the audit also goes into the log of the daemon, if one
// runs: nobody keeps what a command prints.
type auditHandler struct {
	slog.Handler
	daemon *control.Client
	attrs  []slog.Attr
}

// auditPatience is for a daemon that does not answer.
const auditPatience = 2 * time.Second

// Enabled implements slog.Handler.
func (h *auditHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || h.Handler.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h *auditHandler) Handle(ctx context.Context, r slog.Record) error {
	e, isAudit := control.Event{Level: r.Level, Message: r.Message}, false
	add := func(a slog.Attr) bool {
		if a.Key == "audit" {
			isAudit = true
			return true
		}
		e.Attrs = append(e.Attrs, [2]string{a.Key, a.Value.Resolve().String()})
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	if isAudit {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditPatience)
		defer cancel()
		h.daemon.Audit(ctx, e) // without a daemon there is no log to keep it in
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *auditHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &auditHandler{h.Handler.WithAttrs(attrs), h.daemon, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements slog.Handler.
func (h *auditHandler) WithGroup(name string) slog.Handler {
	return &auditHandler{h.Handler.WithGroup(name), h.daemon, h.attrs}
}
