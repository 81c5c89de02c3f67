package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are in memory.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), ended: make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.ended:
	default:
		close(p.ended)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// isOpen says whether the other side still holds the connection. It takes what has been sent.
func isOpen(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := io.Copy(io.Discard, c)
	return err != nil
}

func webOnPipes(t *testing.T, h http.HandlerFunc) *pipes {
	p := newPipes()
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serveHTTP(ctx, p, newWeb(h)) }()
	t.Cleanup(func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second) // Shutdown may still look whether connections are idle
	})
	return p
}

func refuses(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }

func TestWebDoesNotWaitForABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := webOnPipes(t, refuses).dial()
		defer c.Close()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
		time.Sleep(2 * time.Minute)
		if isOpen(c) {
			t.Error("a client that does not end its request holds the connection")
		}
	})
}

func TestWebHasSoManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := webOnPipes(t, refuses)
		var all []net.Conn
		for range mostVisits {
			all = append(all, p.dial())
		}
		synctest.Wait()
		over := p.dial()
		if isOpen(over) {
			t.Error("there is no end to connections")
		}
		if !isOpen(all[0]) {
			t.Error("one that was there had to go")
		}
		for _, c := range all {
			c.Close()
		}
		synctest.Wait()
		c := p.dial()
		defer c.Close()
		synctest.Wait()
		if !isOpen(c) {
			t.Error("places are not given back")
		}
	})
}
