package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Serve accepts clients of one protocol on ln until ctx ends, then says goodbye to the sessions that it
// started, at a safe boundary where one comes within Limits.DrainTime, and returns nil when the last has
// ended. It closes ln. Any other error is one that accepting can not recover from. Serve may run once per
// listener, on several listeners at once.
func (s *Server) Serve(ctx context.Context, ln net.Listener, p Protocol) error {
	s.prepare()
	stop := context.AfterFunc(ctx, func() {
		ln.Close()
		s.ending.Store(true)
		s.spares.closeAll()
		s.registry.end(context.Cause(ctx), func(ses *session) bool { return ses.listener == ln })
	})
	defer stop()
	defer ln.Close()
	_, implicitTLS := ln.(*tlsListener)
	s.Log.Info("listener ready", "proto", p.name(), "address", ln.Addr().String(), "tls", implicitTLS)

	var running sync.WaitGroup
	defer running.Wait()
	for {
		conn, err := s.accept(ctx, ln)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if !s.admit(conn) {
			continue
		}
		running.Go(func() {
			defer s.sessions.Add(-1)
			s.newSession(conn, ln, p).run(ctx)
		})
	}
}

// accept waits out the errors that pass by themselves: a server that stops because file descriptors ran
// out for a moment would take every later client down with it.
func (s *Server) accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		conn, err := ln.Accept()
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		s.Log.Error("accept failed", "err", err, "retry_in", wait)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// admit takes a place for a new connection, or closes it when all are taken.
func (s *Server) admit(conn net.Conn) bool {
	most := s.limits().Sessions
	if s.sessions.Add(1) <= int64(most) {
		return true
	}
	s.sessions.Add(-1)
	s.stats.tooMany.Add(1)
	s.Log.Warn("connection refused", "reason", "too many sessions", "remote", conn.RemoteAddr().String(), "limit", most)
	conn.Close()
	return false
}

// ListenTLS makes a listener whose clients speak TLS from the first byte (RFC 8314 section 3), with the
// certificate of the server's Settings. The handshake happens in the session, so that a silent client holds
// up nobody. Closing it closes ln.
func ListenTLS(ln net.Listener) net.Listener { return &tlsListener{ln} }

type tlsListener struct{ net.Listener }

func (l *tlsListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &pendingTLS{conn}, nil
}

// pendingTLS is an accepted connection on which the session has to do a TLS handshake first.
type pendingTLS struct{ net.Conn }

// SessionInfo is one session as `postern status` shows it.
type SessionInfo struct {
	ID       uint64    `json:"id"`                 // unique while the server lives
	Protocol string    `json:"protocol"`           // imap, smtp, pop3
	Account  string    `json:"account,omitempty"`  // empty before login
	Password string    `json:"password,omitempty"` // the label of the local password, never the password
	Doing    string    `json:"doing,omitempty"`    // "idle in INBOX", "in Sent" …; empty when it does not show
	Remote   string    `json:"remote"`             // host:port of the client
	Since    time.Time `json:"since"`              // when the client connected
	Up       int64     `json:"bytes_up"`           // carried to the upstream since the login
	Down     int64     `json:"bytes_down"`         // carried to the client
}

// Sessions lists the sessions under way, oldest first. Any goroutine may call it.
func (s *Server) Sessions() []SessionInfo { return s.registry.list() }

// Work is a number that grows with every session and every byte that the server has carried, for who wants
// to know whether it has anything to do. Any goroutine may call it.
func (s *Server) Work() int64 { return s.registry.work() }
