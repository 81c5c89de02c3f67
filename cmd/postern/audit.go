package main

import (
	"context"
	"log/slog"
	"time"

	"postern/internal/control"
)

// auditHandler is the log of a command. What is for the audit also goes into the log of the daemon, of the next
// one if none runs: nobody keeps what a command prints.
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
	e, isAudit := control.Event{Time: r.Time, Level: r.Level, Message: r.Message}, false
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
		if err := h.daemon.Audit(ctx, e); err != nil {
			h.notKept(ctx, r, err)
		}
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// notKept says that an event will be in no log but this.
func (h *auditHandler) notKept(ctx context.Context, r slog.Record, why error) {
	if h.Handler.Enabled(ctx, slog.LevelError) {
		missing := slog.NewRecord(r.Time, slog.LevelError, "audit event not kept", 0)
		missing.AddAttrs(slog.String("event", r.Message), slog.Any("err", why))
		h.Handler.Handle(ctx, missing)
	}
}

// WithAttrs implements slog.Handler.
func (h *auditHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &auditHandler{h.Handler.WithAttrs(attrs), h.daemon, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements slog.Handler.
func (h *auditHandler) WithGroup(name string) slog.Handler {
	return &auditHandler{h.Handler.WithGroup(name), h.daemon, h.attrs}
}
