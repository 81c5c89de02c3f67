package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

func newHTTP(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
}

// mostVisits is more connections than the browsers of one person and a collector of metrics have.
const mostVisits = 256

// newWeb is for a port that every user of the machine can reach: whoever holds connections, or sends a request a byte
// at a time, must not use up what mail clients need.
func newWeb(h http.Handler) *http.Server {
	srv := newHTTP(h)
	srv.ReadTimeout = time.Minute
	var open atomic.Int64
	srv.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > mostVisits {
				conn.Close() // which ends in StateClosed
			}
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	return srv
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, ln net.Listener, srv *http.Server) error {
	srv.BaseContext = func(net.Listener) context.Context { return ctx }
	stop := context.AfterFunc(ctx, func() {
		quiet, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if srv.Shutdown(quiet) != nil {
			srv.Close()
		}
	})
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
