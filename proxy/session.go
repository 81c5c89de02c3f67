package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"postern/auth"
)

// session is one client's connection from accept to end. What it keeps is held for days by thousands of
// sessions that do nothing, so it keeps little.
type session struct {
	server   *Server
	protocol Protocol
	listener net.Listener
	conn     net.Conn
	remote   string
	since    time.Time
	leave    func() // gives the place at the mailbox back

	up, down atomic.Int64

	// guarded by registry.mu
	id             uint64
	account, label string // once the local password is known, and of the password
	password       string // its ID
	tap            tap    // nil before the login has come to a relay

	mu     sync.Mutex              // guards what follows
	cancel context.CancelCauseFunc // ends the login; nil before and after it
	relay  *relay                  // nil before the login has come to one
	ended  error                   // why the session has to end
}

func (s *Server) newSession(conn net.Conn, ln net.Listener, p Protocol) *session {
	return &session{
		server: s, protocol: p, listener: ln, conn: conn, remote: conn.RemoteAddr().String(), since: time.Now(), leave: func() {},
	}
}

// log is the session's logger. It is made anew each time: most sessions never say anything after login.
func (s *session) log() *slog.Logger {
	return s.server.Log.With("conn", s.id, "proto", s.protocol.name(), "remote", s.remote)
}

// run is a session from its first byte to its last.
func (s *session) run(ctx context.Context) {
	defer s.hangUp(ctx) // when the session is over for everybody else
	s.server.registry.add(s)
	defer s.server.registry.remove(s)
	defer func() { s.leave() }()

	// Handshakes and parsing need a deep stack once; the relay that may follow for days needs little. So
	// the login runs on a goroutine of its own, whose stack goes with it.
	ready := make(chan *relayJob)
	go func() { ready <- s.login(ctx) }()
	job := <-ready
	if job == nil {
		return
	}
	s.runRelay(job)
}

// hangUp closes the client's connection. A client that has been in a relay may have much to read yet.
func (s *session) hangUp(ctx context.Context) {
	patience := moment
	if s.relay != nil {
		patience = s.relay.grace
	}
	hangUp(ctx, s.conn, patience)
}

// end ends the session wherever it is. It may take as long as a slow client.
func (s *session) end(why error) {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = why
	}
	cancel, relay := s.cancel, s.relay
	s.mu.Unlock()
	switch {
	case relay != nil:
		relay.end(why)
	case cancel != nil:
		cancel(why)
	}
}

// beginLogin makes the context of the login.
func (s *session) beginLogin(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	if s.ended != nil {
		cancel(s.ended)
	}
	s.cancel = cancel
	return ctx, cancel
}

// beginRelay lifts the login's deadlines, and makes the relay the thing to end.
func (s *session) beginRelay(r *relay) {
	r.client.conn.SetDeadline(time.Time{})
	r.upstream.conn.SetDeadline(time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel, s.relay = nil, r
	if s.ended != nil {
		go r.end(s.ended)
	}
}

// login leads a client from the greeting to a relay; nil when it did not get there.
func (s *session) login(ctx context.Context) *relayJob {
	ctx, cancel := s.beginLogin(ctx)
	defer cancel(nil)
	limits := s.server.limits()
	defer s.server.waiting.leave(s)
	if gone := s.server.waiting.enter(s, limits.PreLogin); gone != nil {
		s.log().Warn("client sent away", "reason", errMadeRoom.Error(), "limit", limits.PreLogin, "gone", gone.remote)
		s.server.stats.sentAway.Add(1)
		gone.makeRoom()
	}
	w, err := s.secure(ctx, limits.PreLoginTime)
	if err != nil {
		s.log().Info("TLS with the client failed", "err", err)
		return nil
	}
	keepAlive(s.conn)
	// Ending the session ends whatever this wire waits for; what it is saying may still be said, and then why.
	stop := whenDone(ctx, func() {
		s.conn.SetWriteDeadline(time.Now().Add(lastWordTime))
		s.conn.SetReadDeadline(longAgo)
	})
	front := s.protocol.client(w, s.frontOptions(w))
	job, err := s.converse(ctx, w, front)
	stop()
	if err != nil {
		s.sayWhy(ctx, front, err)
		closeWrite(w.conn)
		w.release()
		return nil
	}
	s.beginRelay(job.relay)
	return job
}

// whenDone calls f when ctx ends. After stop it is not called any more; where it was, stop waits for its end.
func whenDone(ctx context.Context, f func()) (stop func()) {
	over := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(over)
		f()
	})
	return func() {
		if !forget() {
			<-over
		}
	}
}

var errNoCertificate = errors.New("no certificate is configured")

// secure does the TLS handshake that the listener asks for.
func (s *session) secure(ctx context.Context, limit time.Duration) (*wire, error) {
	p, ok := s.conn.(*pendingTLS)
	if !ok {
		w := newWire(s.conn)
		w.within(limit)
		return w, nil
	}
	s.conn = p.Conn
	config := s.server.current.Load().TLS
	if config == nil {
		return nil, errNoCertificate
	}
	conn := tls.Server(newRecordConn(p.Conn), config)
	ctx, cancel := context.WithTimeout(ctx, min(limit, 30*time.Second))
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	w := newWire(conn)
	w.within(limit)
	return w, nil
}

func (s *session) frontOptions(w *wire) frontOptions {
	settings := s.server.current.Load()
	o := frontOptions{
		badCommands: settings.Limits.BadCommands,
		known:       s.server.knowledge.features(s.protocol),
		note:        func(event string, attrs ...any) { s.log().Debug(event, attrs...) },
	}
	if _, already := w.conn.(*tls.Conn); already {
		return o
	}
	o.needTLS = !settings.AllowInsecure && !isLoopback(s.conn.RemoteAddr())
	if settings.TLS != nil {
		o.startTLS = func() error {
			conn := tls.Server(newRecordConn(s.conn), settings.TLS)
			if err := conn.Handshake(); err != nil {
				return err
			}
			w.replaceConn(conn)
			return nil
		}
	}
	return o
}

// isLoopback says whether nobody but this machine can hear the client.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// converse answers the client until it is logged in and its upstream is ready.
func (s *session) converse(ctx context.Context, w *wire, f front) (*relayJob, error) {
	if err := f.greet(); err != nil {
		return nil, err
	}
	if err := s.notTLS(w); err != nil {
		return nil, err
	}
	for failures := 0; ; {
		o, err := f.login()
		if err != nil {
			return nil, err
		}
		w.within(0) // waiting for the upstream is not the client's fault
		login, up, err := s.enter(ctx, o)
		w.within(s.server.limits().PreLoginTime)
		if err == nil {
			return s.handOver(w, f, login, up)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := f.refuse(s.refused(o, login, err)); err != nil {
			return nil, err
		}
		if failures++; failures >= s.server.limits().Failures {
			return nil, errTooManyFailures
		}
	}
}

var errTooManyFailures = errors.New("too many refused logins")

// enter checks the local password and logs in upstream.
func (s *session) enter(ctx context.Context, o offer) (auth.Login, *upstream, error) {
	login, err := s.checkClaim(ctx, o)
	if err != nil {
		return auth.Login{}, nil, err
	}
	s.server.waiting.leave(s)
	var up *upstream
	if err = s.protocol.allows(login); err == nil {
		up, err = s.goUp(ctx, login)
	}
	if err != nil {
		s.server.registry.disclaim(s)
	}
	return login, up, err
}

// checkClaim checks the local password, and again when one was taken back meanwhile: whoever ends the sessions
// of that one could not know that this is going to be one.
func (s *session) checkClaim(ctx context.Context, o offer) (auth.Login, error) {
	for {
		seen := s.server.registry.revocations()
		login, err := s.checkPassword(ctx, o)
		if err != nil || s.server.registry.claim(s, login, seen) {
			return login, err
		}
		s.server.registry.disclaim(s)
	}
}

// goUp takes a place at the mailbox and logs in upstream.
func (s *session) goUp(ctx context.Context, login auth.Login) (*upstream, error) {
	if err := s.server.paused(); err != nil {
		return nil, err
	}
	key := gateKey(s.protocol, login.Account)
	leave, err := s.server.gates.enter(ctx, key, s.protocol.places(s.server.limits()), s.server.limits().Patience)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.server.limits().LoginTime)
	defer cancel()
	began := time.Now()
	up, err := s.server.connect(ctx, s.protocol, login.Account)
	if err != nil {
		leave()
		if pause, ok := pauseAsked(deepest(err).Error()); ok {
			s.server.gates.shut(key, pause, deepest(err).Error())
		}
		return nil, err
	}
	s.server.stats.loggedInUpstream(s.protocol, time.Since(began))
	s.leave = leave
	return up, nil
}

// deepest is the first cause of an error: the server's own words, where it has said any.
func deepest(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// refused sorts and logs a refusal.
func (s *session) refused(o offer, login auth.Login, err error) refusal {
	account := login.Account.Email
	switch { // where the password could not even be looked at
	case account == "" && auth.LooksLikePassword(o.user):
		account = "(a password where the user name belongs)"
	case account == "":
		account = printable(o.user)
	}
	r := s.server.refuse(account, err)
	s.server.stats.login(s.protocol, int(r.kind))
	attrs := []any{"account", account, "password", login.Label, "reason", r.kind.String(), "err", err, "audit", true}
	if cause := deepest(err); cause != err {
		attrs = append(attrs, "cause", cause)
	}
	s.log().Warn("login refused", attrs...)
	return r
}

// handOver answers the client's login with the upstream's words and makes the relay.
func (s *session) handOver(w *wire, f front, login auth.Login, up *upstream) (*relayJob, error) {
	watch := s.protocol.watch(login, s.serverRefused(login.Account))
	s.server.registry.loggedIn(s, watch)
	if err := f.accept(up.welcome); err != nil {
		up.wire.conn.Close()
		up.wire.release()
		return nil, err
	}
	s.server.stats.login(s.protocol, acceptedLogin)
	s.log().Info("login accepted", "account", login.Account.Email, "password", login.Label, "mailbox", login.Account.Mailbox,
		"upstream", up.wire.conn.RemoteAddr().String(), "audit", true)
	clientConn, earlyUp := w.detach()
	upstreamConn, earlyDown := up.wire.detach()
	limits := s.server.limits()
	r := &relay{
		client: newLeg(clientConn), upstream: newLeg(upstreamConn), tap: watch, up: &s.up, down: &s.down,
		grace: limits.HalfCloseTime, drain: limits.DrainTime, boundary: true,
	}
	s.prepareNext(login.Account)
	s.server.watchPeers()
	return &relayJob{r, earlyUp, earlyDown, login.Expires}, nil
}

// serverRefused learns from what the server says within a session: a mailbox that wants a pause gets it, and
// one that has gone is probed again at the next login.
func (s *session) serverRefused(account auth.Account) func(string) {
	// Not the whole account: this is kept for as long as the session.
	key, address, email := gateKey(s.protocol, account), s.protocol.address(account.Provider), account.Email
	return func(text string) {
		if pause, ok := pauseAsked(text); ok {
			s.server.gates.shut(key, pause, printable(text))
			s.log().Warn("throttled", "account", email, "pause", pause, "said", printable(text))
		}
		if _, _, gone := cutFold(text, "authenticated but not connected"); gone {
			s.server.knowledge.forget(s.protocol, address, key)
			s.log().Warn("mailbox does not answer", "account", email, "said", printable(text))
		}
	}
}

// lastWordTime is how long a client has to take the last word. It counts while this process stands still, too.
const lastWordTime = 5 * time.Second

// sayWhy ends a session that did not come to a relay.
func (s *session) sayWhy(ctx context.Context, f front, err error) {
	s.conn.SetWriteDeadline(time.Now().Add(lastWordTime))
	switch {
	case ctx.Err() != nil:
		f.bye("Postern: " + context.Cause(ctx).Error())
	case endsQuietly(err):
		s.log().Debug("client left before login")
		return
	case isTimeout(err):
		f.bye("no login in time")
	case errors.Is(err, errTLSOnPlainPort):
		f.bye(err.Error())
	case errors.Is(err, errTooManyFailures), errors.Is(err, errTooManyBad), errors.Is(err, errLineTooLong), errors.Is(err, errOutOfStep):
		f.bye(err.Error())
	}
	s.log().Info("session ended before login", "why", err.Error())
}

func isTimeout(err error) bool {
	nerr, ok := errors.AsType[net.Error](err)
	return ok && nerr.Timeout()
}
