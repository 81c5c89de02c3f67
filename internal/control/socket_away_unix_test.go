//go:build unix

package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A daemon whose state directory is taken away can be asked again as soon as there is one.
func TestSocketThatWasTakenAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			conn, err := s.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	answers := func(when string) {
		t.Helper()
		conn, err := net.Dial("unix", SocketPath(dir))
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		conn.Close()
		(<-accepted).Close()
		if _, err := Listen(dir); !errors.Is(err, ErrRunning) {
			t.Errorf("%s: another daemon: %v", when, err)
		}
	}
	renew := func(want bool, wantErr error) {
		t.Helper()
		if renewed, err := s.Renew(); renewed != want || !errors.Is(err, wantErr) {
			t.Fatalf("%v, %v; want %v, %v", renewed, err, want, wantErr)
		}
	}
	answers("in the beginning")
	renew(false, nil)

	if err := os.Remove(SocketPath(dir)); err != nil {
		t.Fatal(err)
	}
	renew(true, nil)
	answers("after the socket alone")

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	renew(false, fs.ErrNotExist)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	renew(true, nil)
	renew(false, nil)
	answers("after the directory")

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	other, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	renew(false, ErrRunning)
	s.Close()
	if _, ok := <-accepted; ok {
		t.Error("it accepts after its end")
	}
	renew(false, net.ErrClosed)
	if _, err := os.Stat(SocketPath(dir)); err != nil {
		t.Errorf("the other daemon's socket: %v", err)
	}
}
