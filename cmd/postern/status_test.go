package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
)

func TestStatusSaysPaused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, paused := range []*time.Time{nil, &now} {
		var out strings.Builder
		a := &app{ui: &ui{out: &out, err: io.Discard}}
		a.printStatus(control.Status{Running: true, Started: &now, Paused: paused})
		if strings.Contains(out.String(), "  paused since ") != (paused != nil) {
			t.Errorf("%v: %s", paused, out.String())
		}
	}
}
