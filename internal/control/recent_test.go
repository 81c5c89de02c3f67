package control

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestRecentKeepsWhatIsMarked(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var recent Recent
	log := slog.New(recent.Handler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	log.Info("not marked", "account", ann)
	log.Info("marked no", "audit", false)
	log.Debug("marked, but for debugging", "audit", true)
	log.With("remote", "127.0.0.1").Info("below the log's level", "account", ann, "password", "", "audit", true)
	log.With("audit", true).Warn("login refused", "why", resolves{})
	log.WithGroup("g").Info("in a group", "audit", true)

	got := recent.Events()
	if len(got) != 2 || got[0].Message != "login refused" || !got[0].Warning || got[0].Details[0] != (Detail{"why", "resolved"}) {
		t.Fatalf("%+v", got)
	}
	if e := got[1]; e.Warning || e.Account != ann || len(e.Details) != 1 || e.Details[0] != (Detail{"remote", "127.0.0.1"}) || e.Time.IsZero() {
		t.Errorf("%+v", e)
	}
	if s := out.String(); strings.Contains(s, "below") || strings.Count(s, "\n") != 1 || !strings.Contains(s, `msg="login refused"`) {
		t.Error("the log got", s)
	}
}

type resolves struct{}

func (resolves) LogValue() slog.Value { return slog.StringValue("resolved") }

func TestRecentKeepsTheLatest(t *testing.T) {
	t.Parallel()
	var recent Recent
	log := slog.New(recent.Handler(slog.DiscardHandler))
	for i := range 2*recentKept + 3 {
		happened := recent.wait()
		log.Info(fmt.Sprint(i), "audit", true)
		<-happened
	}
	got := recent.Events()
	if len(got) != recentKept {
		t.Fatal(len(got))
	}
	for i, e := range got {
		if want := fmt.Sprint(2*recentKept + 2 - i); e.Message != want {
			t.Fatalf("event %d is %s, want %s", i, e.Message, want)
		}
	}
}

func TestNothingRecent(t *testing.T) {
	t.Parallel()
	var none *Recent
	if none.Events() != nil || none.wait() != nil {
		t.Error("events of nothing")
	}
}
