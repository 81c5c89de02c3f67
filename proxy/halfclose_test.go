package proxy

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// twoPipes is a connection whose ends close one by one.
type twoPipes struct {
	net.Conn // for writing
	in       net.Conn
}

func (c *twoPipes) Read(p []byte) (int, error)        { return c.in.Read(p) }
func (c *twoPipes) CloseWrite() error                 { return c.Conn.Close() }
func (c *twoPipes) SetReadDeadline(t time.Time) error { return c.in.SetReadDeadline(t) }

func (c *twoPipes) SetDeadline(t time.Time) error {
	c.in.SetReadDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *twoPipes) Close() error {
	c.in.Close()
	return c.Conn.Close()
}

func pipedPair() (a, b *twoPipes) {
	r1, w1 := net.Pipe()
	r2, w2 := net.Pipe()
	return &twoPipes{in: r1, Conn: w2}, &twoPipes{in: r2, Conn: w1}
}

// A client that has asked for much and closed its side gets all of it, however long that takes. An upstream that says
// no more does not keep the session.
func TestAnswerLongerThanTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const grace, lines = 30 * time.Second, 100
		client, clientSide := pipedPair()
		upstreamSide, upstream := pipedPair()
		r := &relay{
			client: newLeg(clientSide), upstream: newLeg(upstreamSide), tap: newIMAPTap(func(string) {}),
			up: new(atomic.Int64), down: new(atomic.Int64), grace: grace, drain: time.Second, boundary: true,
		}
		over := make(chan error, 1)
		go func() {
			over <- r.run(nil, nil)
			clientSide.Close()
		}()
		go io.Copy(io.Discard, upstream)
		go func() {
			for range lines {
				io.WriteString(upstream, "* 1 EXISTS\r\n")
				time.Sleep(grace / 2)
			}
		}()
		client.CloseWrite()
		got, _ := io.ReadAll(client)
		if n := strings.Count(string(got), "* 1 EXISTS\r\n"); n != lines {
			t.Errorf("%d lines of %d arrived", n, lines)
		}
		<-over
		upstream.Close()
	})
}
