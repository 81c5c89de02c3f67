package proxy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/auth"
)

func TestGateCapsAndQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gates
		enter := func() (func(), error) { return g.enter(t.Context(), "imap x ann", 2, 5*time.Second) }
		first, err1 := enter()
		_, err2 := enter()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		began := time.Now()
		if _, err := enter(); !errors.As(err, new(errMailboxFull)) || time.Since(began) != 5*time.Second {
			t.Errorf("third: %v after %v, want full after 5s", err, time.Since(began))
		}
		if _, err := g.enter(t.Context(), "imap x bob", 2, 0); err != nil {
			t.Errorf("another mailbox: %v", err)
		}
		go func() {
			time.Sleep(2 * time.Second)
			first()
			first() // giving back twice is giving back once
		}()
		if _, err := enter(); err != nil {
			t.Errorf("after one left: %v", err)
		}
		if _, err := enter(); err == nil {
			t.Error("a place was given back twice")
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("gone"))
		if _, err := g.enter(ctx, "imap x ann", 2, time.Hour); err == nil || err.Error() != "gone" {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestGateShutsForThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gates
		g.shut("imap x ann", 89*time.Second, "throttled")
		_, err := g.enter(t.Context(), "imap x ann", 2, time.Second)
		p, ok := errors.AsType[*auth.Problem](err)
		if !ok || time.Until(p.RetryAt) != 89*time.Second {
			t.Fatalf("while shut: %v", err)
		}
		time.Sleep(90 * time.Second)
		if _, err := g.enter(t.Context(), "imap x ann", 2, time.Second); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

func TestPauseAsked(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"a1 BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds": 89117 * time.Millisecond,
		"REQUEST IS THROTTLED. suggested backoff time = 5000 milliseconds":        5 * time.Second,
		"Request is throttled. Suggested Backoff Time: 999999999999 milliseconds": mostPause,
		"Request is throttled. Suggested Backoff Time: 99999999999999999999":      time.Minute,
		"Request is throttled.": time.Minute,
		// Names of mailboxes in the text, whose lower case is longer.
		"\xcf\xcb\xce\xcf Request is throttled":                     time.Minute,
		"ȺȾȺȾȺȾ Request is throttled. Suggested Backoff Time: 5000": 5 * time.Second,
	} {
		if got, ok := pauseAsked(text); !ok || got != want {
			t.Errorf("%q: %v %v, want %v", text, got, ok, want)
		}
	}
	if _, ok := pauseAsked("a1 NO AUTHENTICATE failed."); ok {
		t.Error("a pause where none was asked")
	}
}

// A server repeats the name of a mailbox in its no, and a client chooses the name.
func TestNameInARefusal(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	defer up.Close()
	for _, words := range []string{"Request is throttled", "authenticated but not connected"} {
		no := "b NO [NONEXISTENT] " + strings.Repeat("\xff", 40) + words
		c.send("b STATUS x (MESSAGES)\r\n")
		up.line(t)
		up.send(no)
		if got := c.line(); got != no {
			t.Errorf("got %q", got)
		}
	}
}

// A throttle text in a session closes the door for the mailbox, and for nobody else.
func TestThrottledSession(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c, up := p.login(t)
	c.send("b FETCH 1 FLAGS\r\n")
	up.line(t)
	up.send("b BAD Request is throttled. Suggested Backoff Time: 60000 milliseconds", "* BYE Connection closed. 14")
	c.expect("b BAD")
	c2 := p.dial(t)
	c2.expect("* OK")
	c2.send(loginLine)
	if got := c2.line(); !strings.HasPrefix(got, "a NO [UNAVAILABLE]") || !strings.Contains(got, " in 60 s") && !strings.Contains(got, " in 59 s") {
		t.Errorf("got %q", got)
	}
}

func TestMailboxFull(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.PerMailbox, s.Settings.Limits.Patience = 1, 10*time.Millisecond })
	c, up := p.login(t)
	defer up.Close() // and so not before: an upstream that nobody holds is closed by the garbage collector
	c2 := p.dial(t)
	c2.expect("* OK")
	c2.send(loginLine)
	c2.expect("a NO [LIMIT]")
	c.Close()
	waitFor(t, func() bool { return len(p.Sessions()) == 1 })
	p.forgetAll()
	c2.send(strings.Replace(loginLine, "a ", "b ", 1))
	(<-p.upstream.conns).admit(t)
	if got := c2.line(); !strings.HasPrefix(got, "b OK") {
		t.Errorf("got %q\n%s", got, p.log)
	}
}
