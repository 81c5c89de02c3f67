package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// relay carries bytes both ways between a client that is logged in and its upstream, each way in one
// goroutine, without a buffer while nothing comes.
type relay struct {
	client, upstream *leg
	tap              tap
	up, down         *atomic.Int64 // bytes carried
	grace            time.Duration // for the other side's next bytes after one side closed
	drain            time.Duration // for a safe boundary when we end it

	mu       sync.Mutex // guards what follows, and orders writes to the client: the pump's, and lines of our own
	boundary bool       // a line of ours may come next
	queued   []byte     // lines of ours that wait for a boundary
	ending   error      // set when we end the session; the pump says goodbye at the next boundary
	said     bool       // goodbye is said, or must not be any more

	upErr, downErr error
}

// errClientLeft and errUpstreamLeft say which side ended a session in the ordinary way.
var (
	errClientLeft   = errors.New("client closed the connection")
	errUpstreamLeft = errors.New("upstream closed the connection")
)

// run carries bytes until either side has ended or end is called, and closes the upstream; the client has been told
// that nothing more comes. early are bytes that arrived before the hand-over. It returns why the session ended: errClientLeft,
// errUpstreamLeft, what end was told, or what broke.
func (r *relay) run(earlyUp, earlyDown []byte) error {
	defer r.upstream.conn.Close()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		r.downErr = r.pumpDown(earlyDown)
		r.upstreamEnded()
	}()
	r.upErr = r.pumpUp(earlyUp)
	r.clientEnded(finished)
	<-finished
	return r.why()
}

// pumpUp carries the client's bytes through the tap to the upstream.
func (r *relay) pumpUp(early []byte) error {
	forward := func(p []byte) error {
		if err := r.upstream.write(p); err != nil {
			return &sideError{errUpstreamLeft, err}
		}
		r.up.Add(int64(len(p)))
		return nil
	}
	if len(early) > 0 {
		if err := r.tap.up(early, forward, r.answer); err != nil {
			return err
		}
	}
	for {
		b, err := r.client.read()
		if err != nil {
			return &sideError{errClientLeft, err}
		}
		err = r.tap.up(b.bytes(), forward, r.answer)
		b.release()
		if err != nil {
			return err
		}
	}
}

// pumpDown carries the upstream's bytes to the client.
func (r *relay) pumpDown(early []byte) error {
	if len(early) > 0 {
		if err := r.toClient(early); err != nil {
			return err
		}
	}
	for {
		b, err := r.upstream.read()
		if err != nil {
			return &sideError{errUpstreamLeft, err}
		}
		err = r.toClient(b.bytes())
		b.release()
		if err != nil {
			return err
		}
	}
}

func (r *relay) toClient(p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.tap.down(p)
	if last >= 0 && (r.ending != nil || len(r.queued) > 0) {
		if err := r.send(p[:last]); err != nil {
			return err
		}
		p = p[last:]
		if err := r.insert(); err != nil {
			return err
		}
	}
	if last >= 0 {
		r.boundary = len(p) == 0 || last == len(p)
	} else if len(p) > 0 {
		r.boundary = false
	}
	return r.send(p)
}

// send writes upstream's bytes. The caller holds mu.
func (r *relay) send(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if err := r.client.write(p); err != nil {
		return &sideError{errClientLeft, err}
	}
	r.down.Add(int64(len(p)))
	return nil
}

// insert writes our own lines at a boundary. The caller holds mu.
func (r *relay) insert() error {
	if len(r.queued) > 0 {
		err := r.client.write(r.queued)
		r.queued = nil
		if err != nil {
			return &sideError{errClientLeft, err}
		}
	}
	if r.ending != nil && !r.tap.owes() {
		r.sayGoodbye(r.ending)
		return r.ending
	}
	return nil
}

// mostQueued bounds what is kept for a client that goes on asking while the upstream does not come to a boundary.
const mostQueued = 64 << 10

var errTooManyAnswers = errors.New("too many refused commands at once")

// answer gives the client a line in the upstream's place, as soon as one fits between the upstream's own.
func (r *relay) answer(line []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queued) > mostQueued {
		return errTooManyAnswers
	}
	r.queued = append(r.queued, line...)
	if !r.boundary {
		return nil
	}
	return r.insert()
}

// sayGoodbye writes the line that ends the session, once. The caller holds mu.
func (r *relay) sayGoodbye(why error) {
	if r.said {
		return
	}
	r.said = true
	if line := r.tap.goodbye(why.Error()); line != nil {
		r.client.conn.SetWriteDeadline(time.Now().Add(r.drain))
		r.client.write(line)
	}
}

// end ends the session from our side: at once at a boundary, else when the pump reaches one, at the
// latest after the drain time.
func (r *relay) end(why error) {
	timer := time.AfterFunc(r.drain, r.cut)
	r.mu.Lock() // may wait for a write to a slow client, which the timer cuts
	defer r.mu.Unlock()
	r.ending = why
	if r.boundary && !r.tap.owes() {
		r.sayGoodbye(why)
		timer.Stop()
		r.cut()
	}
}

// cut ends everything that either pump may be waiting for. Nothing can be sent afterwards.
func (r *relay) cut() {
	r.tap.close()
	r.client.conn.SetDeadline(longAgo)
	r.upstream.conn.SetDeadline(longAgo)
}

// clientEnded passes the client's end on. The upstream may finish what it was asked, for as long as it goes on.
func (r *relay) clientEnded(finished <-chan struct{}) {
	if !errors.Is(r.upErr, io.EOF) {
		r.cut()
		return
	}
	closeWrite(r.upstream.conn)
	for {
		before := r.down.Load()
		select {
		case <-finished:
			return
		case <-time.After(r.grace):
		}
		if r.down.Load() == before {
			r.cut()
			return
		}
	}
}

// upstreamEnded tells the client, which gets all that had come, and lets go of the client's reader.
func (r *relay) upstreamEnded() {
	r.mu.Lock()
	if r.boundary && r.ending == nil && errors.Is(r.downErr, errUpstreamLeft) {
		r.insert()
		r.sayGoodbye(errUpstreamLeft)
	}
	r.said = true
	r.mu.Unlock()
	closeWrite(r.client.conn)
	r.tap.close()
	r.client.interrupt()
	r.upstream.conn.SetDeadline(longAgo)
}

// why tells the first cause from its consequences.
func (r *relay) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending != nil {
		return r.ending
	}
	var up, down *sideError
	switch {
	case r.upErr != nil && !errors.As(r.upErr, &up):
		return r.upErr
	case r.downErr != nil && !errors.As(r.downErr, &down):
		return r.downErr
	case up != nil && !interrupted(up.err):
		return up
	case down != nil:
		return down
	}
	return r.upErr
}

func interrupted(err error) bool {
	nerr, ok := errors.AsType[net.Error](err)
	return ok && nerr.Timeout()
}

// sideError says on which side a connection ended, and how.
type sideError struct {
	side error
	err  error
}

func (e *sideError) Error() string {
	if e.err == io.EOF {
		return e.side.Error()
	}
	return e.side.Error() + ": " + e.err.Error()
}

func (e *sideError) Unwrap() []error { return []error{e.side, e.err} }
