package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// What a client sends that nobody reads must not cost it the reason why it has to go: a reset would, on some systems.
func TestRefusalBeforeUnreadBytes(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := p.dial(t)
	c.expect("* OK")
	c.send("a NOOP" + strings.Repeat("x", 3*maxLine))
	c.expect("* BYE line longer than 64 KiB")
	if rest, err := io.ReadAll(c.br); err != nil || len(rest) > 0 {
		t.Errorf("behind the goodbye: %q, %v", rest, err)
	}
}

// A message that is on its way when the upstream leaves arrives, also when the client asks for the next meanwhile.
func TestHangUpLosesNothing(t *testing.T) {
	t.Parallel()
	ours, theirs := socketPair(t)
	defer ours.Close()
	message := bytes.Repeat([]byte("0123456789abcde\n"), 16<<10)
	theirs.(*net.TCPConn).SetWriteBuffer(2 * len(message)) // else writing waits for the reader
	theirs.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := theirs.Write(message); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(ours, "b NOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return !nothingWaits(theirs) || !canWaitReady })
	over := make(chan struct{})
	go func() {
		hangUp(t.Context(), theirs, 20*time.Second)
		close(over)
	}()
	if got, err := io.ReadAll(ours); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%d of %d bytes arrived, then %v", len(got), len(message), err)
	}
	ours.Close()
	<-over
}

// A session whose upstream has left holds no place, and its client is heard out.
func TestClientOutlivesUpstream(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.HalfCloseTime = time.Minute })
	c, up := p.login(t)
	up.Close()
	c.expect("* BYE")
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Fatalf("after BYE: %v, want EOF", err)
	}
	waitFor(t, func() bool { return len(p.Sessions()) == 0 })
	for range 50 { // the first of them would bring a reset
		c.send("b NOOP\r\n")
	}
}

// A server that ends does not wait for clients that stay.
func TestHangUpAtTheEnd(t *testing.T) {
	t.Parallel()
	ours, theirs := socketPair(t)
	defer ours.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hangUp(ctx, theirs, time.Hour)
	ours.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%v, want EOF", err)
	}
}
