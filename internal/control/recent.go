package control

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// recentKept is how many events a person can look back at on the page; the log has all of them.
const recentKept = 200

// Recent keeps the last audit events, the records with the attribute audit=true, for the page. The zero
// value is ready, and nil has no events. Its methods may be called by any goroutine.
type Recent struct {
	mu      sync.Mutex
	events  []RecentEvent // a ring once it is full
	next    int           // where the next one goes
	changed chan struct{}
}

// RecentEvent is one audit event.
type RecentEvent struct {
	Time    time.Time
	Warning bool // it was refused, or it failed
	Message string
	Account string // "" when it belongs to none
	Details []Detail
}

// Detail is one attribute of an event.
type Detail struct{ Key, Value string }

// Handler hands every record on to next and keeps the audit events among them, also those below next's level.
func (a *Recent) Handler(next slog.Handler) slog.Handler { return recentHandler{recent: a, next: next} }

// Events returns the events that are kept, the latest first.
func (a *Recent) Events() []RecentEvent {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	recent := slices.Concat(a.events[a.next:], a.events[:a.next])
	slices.Reverse(recent)
	return recent
}

// wait returns a channel that is closed at the next event.
func (a *Recent) wait() <-chan struct{} {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changed == nil {
		a.changed = make(chan struct{})
	}
	return a.changed
}

func (a *Recent) add(e RecentEvent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) < recentKept {
		a.events = append(a.events, e)
	} else {
		a.events[a.next] = e
		a.next = (a.next + 1) % recentKept
	}
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// recentHandler is one of many that share a Recent: each slog.Logger.With makes another.
type recentHandler struct {
	recent *Recent
	next   slog.Handler
	attrs  []slog.Attr // given by With
	group  bool        // what follows is within a group, and is no event's own
}

func (h recentHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

func (h recentHandler) Handle(ctx context.Context, r slog.Record) error {
	if e, ok := h.event(r); ok {
		h.recent.add(e)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h recentHandler) event(r slog.Record) (RecentEvent, bool) {
	e := RecentEvent{Time: r.Time, Message: r.Message, Warning: r.Level >= slog.LevelWarn}
	audit := false
	take := func(a slog.Attr) bool {
		value := a.Value.Resolve().String()
		switch {
		case a.Key == "audit":
			audit = value == "true"
		case a.Key == "account":
			e.Account = value
		case value != "":
			e.Details = append(e.Details, Detail{a.Key, value})
		}
		return true
	}
	if !h.group {
		r.Attrs(take)
	}
	for _, a := range h.attrs {
		take(a)
	}
	return e, audit
}

func (h recentHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.next = h.next.WithAttrs(attrs)
	if !h.group {
		h.attrs = slices.Concat(h.attrs, attrs)
	}
	return h
}

func (h recentHandler) WithGroup(name string) slog.Handler {
	h.next = h.next.WithGroup(name)
	h.group = h.group || name != ""
	return h
}
