package proxy

import (
	"context"
	"errors"
	"net"
	"time"

	"postern/auth"
)

// Preauth carries a session that needs no login, because whoever asks for it is known already: it logs in
// upstream, then takes the client, greets it with PREAUTH (RFC 9051 section 7.1.4), and relays until either
// side has ended or ctx has, when it says goodbye at a safe boundary. The client is closed when it returns.
//
// take gives the client's connection and the bytes that came from it already. It is called only when the
// mailbox is open; until then the error is a *PreauthRefused.
func (s *Server) Preauth(ctx context.Context, account auth.Account, take func() (net.Conn, []byte, error)) error {
	s.prepare()
	ses := &session{server: s, protocol: IMAP(), remote: "tunnel", since: time.Now(), leave: func() {}}
	if most := s.limits().Sessions; s.sessions.Add(1) > int64(most) {
		s.sessions.Add(-1)
		return s.preauthRefused(account, errTooManySessions)
	}
	defer s.sessions.Add(-1)
	s.registry.add(ses)
	defer s.registry.remove(ses)
	stop := context.AfterFunc(ctx, func() { ses.end(context.Cause(ctx)) })
	defer stop()
	defer func() { ses.leave() }()

	type outcome struct {
		job *relayJob
		err error
	}
	ready := make(chan outcome) // a goroutine of its own, as in session.run
	go func() {
		job, err := ses.preauth(ctx, account, take)
		ready <- outcome{job, err}
	}()
	o := <-ready
	if ses.conn != nil {
		defer ses.conn.Close()
	}
	if o.err != nil {
		return o.err
	}
	ses.runRelay(o.job)
	return nil
}

// preauth leads a client that needs no login to a relay.
func (s *session) preauth(ctx context.Context, account auth.Account, take func() (net.Conn, []byte, error)) (*relayJob, error) {
	ctx, cancel := s.beginLogin(ctx)
	defer cancel(nil)
	login := auth.Login{Account: account, Label: "tunnel"}
	s.server.registry.claim(s, login, 0)
	up, err := s.goUp(ctx, login)
	if ctx.Err() != nil && err == nil {
		up.close()
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, &PreauthRefused{Bye: imapRefusal(s.refused(offer{}, login, err)), Err: err}
	}
	conn, early, err := take()
	if err != nil {
		up.close()
		return nil, err
	}
	s.conn = conn
	w := newWire(conn)
	w.within(s.server.limits().PreLoginTime)
	job, err := s.handOver(w, preauthFront{w: w}, login, up)
	if err != nil {
		w.release()
		return nil, err
	}
	job.earlyUp = append(early, job.earlyUp...)
	s.beginRelay(job.relay)
	return job, nil
}

func (u *upstream) close() {
	u.wire.conn.Close()
	u.wire.release()
}

func (s *Server) preauthRefused(account auth.Account, err error) error {
	return &PreauthRefused{Bye: imapRefusal(s.refuse(account.Email, err)), Err: err}
}

var errTooManySessions = errors.New("too many sessions at once")

// PreauthRefused says that a mailbox could not be opened.
type PreauthRefused struct {
	Bye string // for the client, behind "* BYE ": a response code (RFC 5530) and a sentence
	Err error  // the reason; a *auth.Problem where it is known
}

// Error is the reason's.
func (e *PreauthRefused) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *PreauthRefused) Unwrap() error { return e.Err }

// preauthFront is a front whose client is logged in from the start. Of a front it needs only what it has.
type preauthFront struct {
	front
	w *wire
}

// accept greets. What the upstream said besides comes behind: the greeting is the first line.
func (f preauthFront) accept(w welcome) error {
	greeting := "* PREAUTH "
	if w.after != "" {
		greeting += "[CAPABILITY " + forClient(w.after) + "] "
	}
	text := responseText(w.text)
	if text == "" {
		text = "logged in"
	}
	return f.w.write(append([]byte(greeting+text+"\r\n"), w.lines...))
}
