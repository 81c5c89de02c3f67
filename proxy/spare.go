package proxy

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"postern/auth"
)

// A spare is an upstream connection that has been taken as far as it goes without a token, for an account
// whose clients have connected lately: their next login costs one round trip instead of four.

const (
	// spareDelay is how long a client has to stay before a spare is made for the next. A rush of logins has the
	// processor for itself meanwhile, and a client that leaves at once is not likely to open a second connection.
	spareDelay = 100 * time.Millisecond
	// spareLife is less than what servers allow before login: Exchange closes after a minute.
	spareLife = 45 * time.Second
	// spareRecent is how long after an account's last login a spare that has grown old is replaced.
	spareRecent = 5 * time.Minute
)

// spares holds at most one connection per mailbox.
type spares struct {
	mu    sync.Mutex // guards what follows
	byKey map[string]*spare
	held  bool // none is made
}

type spare struct {
	conn   *opened            // nil while it is being made
	stop   context.CancelFunc // ends the making
	retire *time.Timer
	used   time.Time // the account's last login
}

// take returns the mailbox's spare if it is there and alive.
func (s *spares) take(key string) *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.byKey[key]
	if sp == nil || sp.conn == nil {
		return nil
	}
	conn := sp.conn
	sp.retire.Stop()
	delete(s.byKey, key)
	if !conn.quiet() {
		conn.close()
		return nil
	}
	return conn
}

// quiet says whether a server that owes nothing has indeed said nothing, and has not gone. It looks without
// waiting: a read deadline in the past would end a read before it has looked.
func (c *opened) quiet() bool {
	conn := c.wire.conn
	if t, ok := conn.(*tls.Conn); ok {
		if rec, ok := t.NetConn().(*recordConn); ok {
			if rec.buf != nil {
				return false
			}
			conn = rec.Conn
		}
	}
	return c.wire.buffered() == 0 && nothingWaits(conn)
}

// reserve claims the making of a mailbox's spare, which stop ends; nil when there is one, one is being made, or
// none is wanted.
func (s *spares) reserve(key string, used time.Time, stop context.CancelFunc) *spare {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		return nil
	}
	if s.byKey[key] != nil {
		s.byKey[key].used = used
		return nil
	}
	if s.byKey == nil {
		s.byKey = map[string]*spare{}
	}
	sp := &spare{used: used, stop: stop}
	s.byKey[key] = sp
	return sp
}

// park keeps the connection of a reserved spare until somebody takes it or it is old, when grownOld is called;
// conn may be nil, when making it failed.
func (s *spares) park(key string, sp *spare, conn *opened, grownOld func(used time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[key] != sp { // everything was closed meanwhile
		if conn != nil {
			conn.close()
		}
		return
	}
	if conn == nil {
		delete(s.byKey, key)
		return
	}
	sp.conn = conn
	sp.retire = time.AfterFunc(spareLife, func() {
		if s.drop(key, sp) {
			grownOld(sp.used)
		}
	})
}

// drop closes one spare, if it is still the mailbox's.
func (s *spares) drop(key string, sp *spare) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[key] != sp {
		return false
	}
	delete(s.byKey, key)
	sp.conn.close()
	return true
}

// hold keeps spares from being made, and ends those that are there, until it is lifted.
func (s *spares) hold(on bool) {
	s.mu.Lock()
	s.held = on
	s.mu.Unlock()
	if on {
		s.closeAll()
	}
}

// closeAll ends every spare, and the making of others.
func (s *spares) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.byKey {
		if sp.conn == nil {
			sp.stop()
			continue
		}
		sp.retire.Stop()
		sp.conn.close()
	}
	clear(s.byKey)
}

// prepareNext has a spare made if the client stays. Nothing keeps the timer, and so the account, for as long as
// the session.
func (s *session) prepareNext(account auth.Account) {
	if s.server.NoSpares {
		return
	}
	used := time.Now()
	time.AfterFunc(spareDelay, func() { s.makeSpare(account, used) })
}

func (s *session) makeSpare(account auth.Account, used time.Time) {
	if s.server.registry.has(s) {
		s.server.makeSpare(s.protocol, account, s.protocol.address(account.Provider), used)
	}
}

// makeSpare prepares for the next login of an account that logged in at the time used. It returns at once.
func (s *Server) makeSpare(p Protocol, account auth.Account, address string, used time.Time) {
	key := gateKey(p, account)
	if s.NoSpares || s.ending.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.limits().LoginTime)
	sp := s.spares.reserve(key, used, cancel)
	if sp == nil {
		cancel()
		return
	}
	go func() {
		defer cancel()
		conn, err := s.open(ctx, p, account, address)
		if err != nil {
			s.Log.Debug("no spare connection", "account", account.Email, "proto", p.name(), "err", err)
		} else {
			conn.tcp.SetDeadline(time.Time{})
		}
		s.spares.park(key, sp, conn, func(used time.Time) {
			if time.Since(used) < spareRecent {
				s.makeSpare(p, account, address, used)
			}
		})
	}()
}
