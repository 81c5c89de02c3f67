package control

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What commands do without a daemon is in the next one's log, once, with its time.
func TestKeptEvents(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	c := NewClient(state)
	for i, what := range []string{"password added", "password revoked"} {
		e := Event{Time: at.Add(time.Duration(i) * time.Hour), Level: slog.LevelInfo, Message: what, Attrs: [][2]string{{"account", ann}}}
		if err := c.Audit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(state, keptFile))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info, err)
	}
	f, err := os.OpenFile(filepath.Join(state, keptFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"time":"2026-05-04`) // a disk that was full
	f.Close()

	w := newWorld(t)
	w.LogKept(state)
	want := "time=2026-05-04T03:02:01.000Z level=INFO msg=\"password added\" account=ann@example.com at=2026-05-04T03:02:01.000Z by=command audit=true\n" +
		"time=2026-05-04T04:02:01.000Z level=INFO msg=\"password revoked\" account=ann@example.com at=2026-05-04T04:02:01.000Z by=command audit=true\n"
	if got := w.log.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if shown := w.Recent.Events(); len(shown) != 2 || !shown[1].Time.Equal(at) {
		t.Errorf("on the page: %+v", shown)
	}
	w.log.Reset()
	w.LogKept(state)
	if got := w.log.String(); got != "" {
		t.Errorf("a second time: %s", got)
	}
}

// Without a daemon for years the file does not grow for ever, and the latest events stay.
func TestKeptEventsAreBounded(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	long := strings.Repeat("x", 60<<10)
	for i := range 30 {
		if err := keepEvent(state, Event{Message: fmt.Sprint(i), Attrs: [][2]string{{"detail", long}}}); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	w.LogKept(state)
	got := w.log.String()
	if n := strings.Count(got, "audit=true"); n < 5 || n > 12 || !strings.Contains(got, "msg=29 ") || strings.Contains(got, "msg=1 ") {
		t.Errorf("%d events are left", n)
	}
}
