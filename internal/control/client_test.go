package control

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
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

// Nobody is asked at a socket that may be anybody's: in the working directory, or in a directory for temporary files
// that others may write in.
func TestForeignSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the directory for temporary files is each user's own")
	}
	t.Chdir(t.TempDir())
	temp, err := os.MkdirTemp("", "w") // short enough for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	t.Setenv("TMPDIR", temp)
	for _, stateDir := range []string{"", "/" + strings.Repeat("deep/", 30) + "state"} {
		path := SocketPath(stateDir)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		asked := make(chan struct{}, 1)
		go func() {
			if conn, err := ln.Accept(); err == nil {
				asked <- struct{}{}
				conn.Close()
			}
		}()
		_, err = NewClient(stateDir).Status(t.Context())
		if !errors.Is(err, ErrNotRunning) || len(asked) > 0 {
			t.Errorf("state directory %q: the socket %s was asked: %v", stateDir, path, err)
		}
	}
}
