package proxy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStats(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.PerMailbox, s.Settings.Limits.Patience = 1, time.Millisecond })
	c, up := p.login(t)
	defer up.Close()
	c.send("b NOOP\r\n")
	up.answer(t, "NOOP", "* 1 EXISTS")
	c.expect("b OK")

	second := p.dial(t)
	second.expect("* OK")
	second.send("a LOGIN ann@example.com wrong\r\n")
	second.expect("a NO")
	second.send("b LOGIN ann@example.com sender\r\n")
	second.expect("b NO")
	second.send(loginLine)
	second.expect("a NO [LIMIT]")

	s := p.Stats()
	imap := s.Protocols["imap"]
	for outcome, want := range map[string]int64{"accepted": 1, "wrong password": 1, "not allowed": 1, "limit": 1, "sign-in needed": 0} {
		if got, ok := imap.Logins[outcome]; !ok || got != want {
			t.Errorf("%s: %d logins, want %d", outcome, got, want)
		}
	}
	if imap.Sessions != 1 || imap.Up != int64(len("b NOOP\r\n")) || imap.Down == 0 || imap.Latency.Count != 1 {
		t.Errorf("while it runs: %+v", imap)
	}
	up.send("c BAD Request is throttled. Suggested Backoff Time: 60000 milliseconds")
	c.expect("c BAD")
	c.Close()
	second.Close()
	waitFor(t, func() bool { return len(p.Sessions()) == 0 })
	after := p.Stats()
	if a := after.Protocols["imap"]; a.Sessions != 0 || a.Up != imap.Up || a.Down <= imap.Down {
		t.Errorf("after its end: %+v", a)
	}
	if len(after.Throttled) != 1 || after.Waiting != 0 {
		t.Errorf("%v are throttled, %d clients wait", after.Throttled, after.Waiting)
	}
}

func TestEveryProtocolIsCounted(t *testing.T) {
	for _, p := range []Protocol{IMAP(), SMTP(), POP3()} {
		if numberOf(p) < 0 {
			t.Errorf("%s has no place among the numbers", p.name())
		}
	}
	if n := len((&Server{Accounts: &fakeAccounts{}}).Stats().Protocols["pop3"].Logins); n != outcomes {
		t.Errorf("%d outcomes, want %d", n, outcomes)
	}
	for outcome := range outcomes {
		if name := outcomeName(outcome); name == "" || strings.Contains(name, "%") {
			t.Errorf("outcome %d is called %q", outcome, name)
		}
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	var h histogram
	for _, d := range []time.Duration{time.Millisecond, 50 * time.Millisecond, 51 * time.Millisecond, 30 * time.Second, time.Hour} {
		h.add(d)
	}
	c := h.copy()
	if want := []int64{2, 3, 3, 3, 3, 3, 3, 4}; !slices.Equal(c.Counts, want) || c.Count != 5 {
		t.Errorf("%v of %d, want %v of 5", c.Counts, c.Count, want)
	}
	if c.Sum != time.Hour+30*time.Second+102*time.Millisecond {
		t.Errorf("sum %v", c.Sum)
	}
}
