package proxy

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
)

// TestSoakSeesDamage: a soak that can not fail proves nothing.
func TestSoakSeesDamage(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"changed": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"lost":    func(b []byte) []byte { return append(b[:len(b)/2], b[len(b)/2+1:]...) },
		"doubled": func(b []byte) []byte { return append(b[:len(b)/2+1], b[len(b)/2:]...) },
		"swapped": func(b []byte) []byte { b[len(b)/2], b[len(b)/2-1] = b[len(b)/2-1], b[len(b)/2]; return b },
	} {
		for _, up := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/up=%v", name, up), func(t *testing.T) {
				t.Parallel()
				var struck atomic.Int64
				r := newSoakRig(t, func(ln net.Listener) net.Listener {
					return &damagedListener{ln, func(b []byte, isUp bool) []byte {
						if isUp != up || len(b) < 600 || struck.Add(1) > 1 {
							return b
						}
						return damage(append([]byte(nil), b...))
					}}
				})
				defer r.close()
				for number := uint64(0); number < 2000; number++ {
					if s := newScript(number); s.trouble != noTrouble || transport(number/7%uint64(transports)) != plainTransport {
						continue
					}
					_, _, err := r.session(number)
					r.world.mu.Lock()
					found := err != nil || len(r.world.problems) > 0
					r.world.mu.Unlock()
					if found {
						return
					}
					if struck.Load() > 0 {
						break
					}
				}
				t.Error("nobody saw that a byte was wrong")
			})
		}
	}
}

// damagedListener's connections damage what passes.
type damagedListener struct {
	net.Listener
	damage func(b []byte, up bool) []byte
}

func (l *damagedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &damagedConn{Conn: conn, damage: l.damage}, nil
}

type damagedConn struct {
	net.Conn
	damage func(b []byte, up bool) []byte
	rest   []byte
}

func (c *damagedConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		b := make([]byte, 16<<10)
		n, err := c.Conn.Read(b)
		if err != nil {
			return n, err
		}
		c.rest = c.damage(b[:n], true)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *damagedConn) Write(p []byte) (int, error) {
	if _, err := c.Conn.Write(c.damage(p, false)); err != nil {
		return 0, err
	}
	return len(p), nil
}
