package proxy

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"
)

// A client that waits for an answer sends no more: what fills the small buffer to its last byte must not wait.
func TestParkedReadKeepsNothingBack(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, parkedSize - 1, parkedSize, parkedSize + 1, 3 * parkedSize, readSize, readSize + 1} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			got := 0
			go func() {
				for r := newIdleReader(ours); ; {
					b, err := r.read()
					if err != nil {
						return
					}
					got += b.n
					b.release()
				}
			}()
			go theirs.Write(bytes.Repeat([]byte("x"), size))
			synctest.Wait()
			if got != size {
				t.Errorf("of %d bytes %d are passed on", size, got)
			}
			theirs.Close()
			ours.Close()
		})
	}
}
