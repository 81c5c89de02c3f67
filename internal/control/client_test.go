package control

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

// That nobody answers is said in words, and with the directory: the daemon may serve another.
func TestNoDaemon(t *testing.T) {
	dir := t.TempDir()
	check := func(when string) {
		t.Helper()
		_, err := NewClient(dir).Status(t.Context())
		if !errors.Is(err, ErrNotRunning) || strings.Contains(err.Error(), "dial") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", when, err)
		}
	}
	check("no socket")
	ln, err := net.Listen("unix", SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	check("a socket that a crashed daemon left")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewClient(dir).Status(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotRunning) {
		t.Errorf("a question that was broken off: %v", err)
	}
}
