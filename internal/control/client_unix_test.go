//go:build unix

package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Nobody is asked at a socket that may be anybody's: in the working directory, or in a directory for temporary files
// that others may write in.
func TestForeignSocket(t *testing.T) {
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
