package control

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// Of daemons that start together one gets the socket, and it still answers when the others have given up.
func TestListenTogether(t *testing.T) {
	t.Parallel()
	for range 50 {
		dir := t.TempDir()
		var mu sync.Mutex
		var got []net.Listener
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				ln, err := Listen(dir)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					got = append(got, ln)
				case !errors.Is(err, ErrRunning):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(got) != 1 {
			t.Fatalf("%d have the socket", len(got))
		}
		conn, err := net.DialTimeout("unix", SocketPath(dir), 5*time.Second)
		if err != nil {
			t.Fatalf("the socket of the one that has it: %v", err)
		}
		conn.Close()
		got[0].Close()
		again, err := Listen(dir)
		if err != nil {
			t.Fatalf("after its end: %v", err)
		}
		again.Close()
	}
}
