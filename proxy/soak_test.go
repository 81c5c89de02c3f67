package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/auth"
)

const soakPassword = "a local password"

// soakWorld is the accounts, and what went wrong.
type soakWorld struct {
	roots    *x509.CertPool
	provider auth.Provider
	ending   atomic.Bool

	mu       sync.Mutex
	epoch    map[string]int // the newest token that each account's provider has given
	held     map[string]int // the one that Postern has
	disturbs map[string]int // how often an account's sessions were ended from outside
	problems []string
}

func (w *soakWorld) broken(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.problems) < 20 {
		w.problems = append(w.problems, fmt.Sprintf(format, args...))
	}
}

// unlessEnding forgives what a server at its end does to those who are still coming in.
func (w *soakWorld) unlessEnding(err error) error {
	if w.ending.Load() {
		return nil
	}
	return err
}

func (w *soakWorld) CheckPassword(_ context.Context, user string, password auth.Secret) (auth.Login, error) {
	if password.Reveal() != soakPassword {
		return auth.Login{}, auth.ErrWrongPassword
	}
	return auth.Login{Account: auth.Account{Email: user, Mailbox: user, Provider: w.provider}, Label: "soak"}, nil
}

// Token has been issued long ago, so that a refused one is renewed.
func (w *soakWorld) Token(_ context.Context, account string) (auth.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return auth.Token{Access: auth.NewSecret(fmt.Sprintf("%s/%d", account, w.held[account])), Issued: time.Now().Add(-time.Hour)}, nil
}

func (w *soakWorld) Renew(ctx context.Context, account string, _ auth.Secret) (auth.Token, error) {
	w.mu.Lock()
	w.held[account] = w.epoch[account]
	w.mu.Unlock()
	return w.Token(ctx, account)
}

func (w *soakWorld) good(token string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	account, n, _ := strings.Cut(token, "/")
	return n == fmt.Sprint(w.epoch[account])
}

func (w *soakWorld) disturbed(account string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.disturbs[account]
}

func (w *soakWorld) disturb(account string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbs[account]++
}

// expire makes the provider's tokens up to now worthless.
func (w *soakWorld) expire(account string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch[account]++
}

// soakRig is a Postern between the scripts' two sides.
type soakRig struct {
	world    *soakWorld
	upstream *soakServer
	server   *Server
	plain    string // addresses
	tls      string
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// newSoakRig starts one. wrap, if not nil, lies between Postern and the plain clients.
func newSoakRig(t testing.TB, wrap func(net.Listener) net.Listener) *soakRig {
	cert, roots := testCertificate()
	w := &soakWorld{roots: roots, epoch: map[string]int{}, held: map[string]int{}, disturbs: map[string]int{}}
	r := &soakRig{world: w, upstream: newSoakServer(t, w)}
	w.provider = auth.Provider{Name: "soak", IMAP: r.upstream.ln.Addr().String(), RootCAs: roots}
	r.server = &Server{Accounts: w, Settings: Settings{
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Limits: Limits{
			PerMailbox: 6, Patience: 50 * time.Millisecond, LoginTime: 10 * time.Second,
			DrainTime: 500 * time.Millisecond, HalfCloseTime: 2 * time.Second,
		},
	}}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	listen := func(wrap func(net.Listener) net.Listener) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		if wrap != nil {
			ln = wrap(ln)
		}
		r.done.Go(func() {
			if err := r.server.Serve(ctx, ln, IMAP()); err != nil {
				w.broken("Serve: %v", err)
			}
		})
		return addr
	}
	r.plain, r.tls = listen(wrap), listen(ListenTLS)
	return r
}

func (r *soakRig) close() {
	r.world.ending.Store(true)
	r.stop()
	r.done.Wait()
	r.upstream.close()
}

func soakUser(n uint64) string { return fmt.Sprintf("user%d@example.com", n%7) }

// session plays one script.
func (r *soakRig) session(number uint64) (script, soakResult, error) {
	s := newScript(number)
	how := transport(number / 7 % uint64(transports))
	addr := r.plain
	if how == implicitTLS {
		addr = r.tls
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return s, soakResult{refused: true}, err
	}
	user := soakUser(number)
	before := r.world.disturbed(user)
	result, err := runSoakClient(r.world, conn, how, user, s)
	if err == nil && !result.whole && !result.refused && !s.trouble.early() && r.world.disturbed(user) == before && !r.world.ending.Load() {
		err = errors.New("not everything arrived, and nobody ended the session")
	}
	return s, result, err
}

// disturb ends sessions from outside, now and then: somebody signs out, a token's hour is over.
func (r *soakRig) disturb(ctx context.Context) {
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for n := uint64(0); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		user := soakUser(rand.Uint64())
		if n%3 == 0 {
			r.world.disturb(user)
			r.server.EndSessions(user, errSoakEnded)
			r.world.disturb(user) // for sessions that began between
			continue
		}
		r.world.expire(user)
		r.upstream.mu.Lock()
		for u := range r.upstream.live {
			go u.expire(r.world, user)
		}
		r.upstream.mu.Unlock()
	}
}

// soakTime is how long the soak lasts: SOAK says it, else a while in CI and a moment elsewhere.
func soakTime(t *testing.T) time.Duration {
	if text := os.Getenv("SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SOAK: %v", err)
		}
		return d
	}
	if os.Getenv("CI") == "true" {
		return 25 * time.Second
	}
	return 5 * time.Second
}

// TestSoak plays random sessions with random troubles for a while. Every byte is checked on both sides, and
// at the end nothing is left behind. It runs alone: it counts what the process has.
func TestSoak(t *testing.T) {
	const clients = 40
	testCertificate() // stays
	before := weigh()
	r := newSoakRig(t, nil)
	began := time.Now()
	until := soakTime(t)
	var number atomic.Uint64
	var tally [troubles]struct{ sessions, refused, whole atomic.Uint64 }
	number.Store(rand.Uint64N(1 << 40))
	first := number.Load()
	round := func(d time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		var playing sync.WaitGroup
		playing.Go(func() { r.disturb(ctx) })
		for range clients {
			playing.Go(func() {
				for ctx.Err() == nil {
					n := number.Add(1)
					s, result, err := r.session(n)
					if err != nil {
						r.world.broken("session %d (%v): client: %v", n, s.trouble, err)
						return
					}
					c := &tally[s.trouble]
					c.sessions.Add(1)
					if result.refused {
						c.refused.Add(1)
					}
					if result.whole {
						c.whole.Add(1)
					}
				}
			})
		}
		playing.Wait()
	}
	round(until / 4)
	warm := weighAtRest(t, r)
	round(until * 3 / 4)
	end := weighAtRest(t, r)
	r.close()
	after := settle(before)

	for tr := range troubles {
		c := &tally[tr]
		t.Logf("%-20v %5d sessions, %5d whole, %4d refused", tr, c.sessions.Load(), c.whole.Load(), c.refused.Load())
		if c.sessions.Load() == 0 && until > 20*time.Second {
			t.Errorf("%v was never tried", tr)
		}
	}
	t.Logf("%d sessions in %v; before %v, warm %v, at the end %v, after %v", number.Load()-first, time.Since(began).Round(time.Second), before, warm, end, after)
	for _, p := range r.world.problems {
		t.Error(p)
	}
	if after.goroutines > before.goroutines || after.files > before.files {
		t.Errorf("something stays: %v before, %v after\n%s", before, after, stacks())
	}
	const slack = 4 << 20
	if end.heap > warm.heap+slack {
		t.Errorf("memory grows: %v after the first quarter, %v at the end", warm, end)
	}
}
