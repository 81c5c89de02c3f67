package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	signInLimit = 10 * time.Minute // for the person at the browser; Microsoft's codes live as long
	lingerLimit = 10 * time.Second // for a second tab, after the answer
	partLimit   = 2 * time.Second  // for the last page to be sent
)

// BrowserSignIn is one sign-in in the browser: RFC 6749 section 4.1 with PKCE (RFC 7636), the answer taken on
// the loopback interface (RFC 8252 section 7.3) or pasted. It completes by itself when the answer comes,
// whether or not somebody waits. Its methods may be called by any goroutine.
type BrowserSignIn struct {
	signIn
	address  string // for the person to open
	redirect string
	port     int
	state    string
	verifier string
	server   *http.Server
	limit    *time.Timer
	parting  sync.Once

	mu    sync.Mutex
	taken bool          // an answer, or the end, has come
	done  chan struct{} // closed when err is final
	err   error
}

// BeginBrowser begins a sign-in, or returns the one that is under way. It ends after ten minutes, with its
// Close, or with the Manager's; ctx is only for getting started. ErrUnknownAccount, or a *Problem.
func (m *Manager) BeginBrowser(ctx context.Context, email string) (*BrowserSignIn, error) {
	s, err := m.newSignIn(ctx, email, FlowBrowser)
	if err != nil {
		return nil, err
	}
	b, isNew, err := m.openSignIn(s)
	if isNew {
		b.started()
	}
	return b, err
}

// openSignIn returns the account's sign-in that is under way, or makes s one.
func (m *Manager) openSignIn(s *signIn) (b *BrowserSignIn, isNew bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.liveLocked(s.account.Email)
	if l.browser != nil {
		return l.browser, false, nil
	}
	if m.closed {
		return nil, false, errClosed
	}
	listeners, port, err := listenLoopback(net.Listen)
	if err != nil {
		p := newProblem("listener", about{account: s.account, detail: err.Error()})
		p.Err = err
		return nil, false, p
	}
	b = &BrowserSignIn{
		signIn: *s, port: port, redirect: "http://localhost:" + strconv.Itoa(port) + "/",
		state: randomText(), verifier: randomText(), done: make(chan struct{}),
	}
	b.address = b.authorizeURL(l.claims)
	b.serve(listeners)
	l.browser = b
	m.ports[b] = true
	return b, true, nil
}

// listenLoopback opens one free port on both loopback addresses, or on the one that the machine has: browsers
// may try either for "localhost".
func listenLoopback(listen func(network, address string) (net.Listener, error)) ([]net.Listener, int, error) {
	for range 20 {
		v4, err := listen("tcp4", "127.0.0.1:0")
		if err != nil {
			v6, err6 := listen("tcp6", "[::1]:0")
			if err6 != nil {
				return nil, 0, errors.Join(err, err6)
			}
			return []net.Listener{v6}, portOf(v6), nil
		}
		v6, err := listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(portOf(v4))))
		if err == nil {
			return []net.Listener{v4, v6}, portOf(v4), nil
		}
		// Is there no ::1, or has somebody this port there? Only the first is a reason to go on without.
		other, err := listen("tcp6", "[::1]:0")
		if err != nil {
			return []net.Listener{v4}, portOf(v4), nil
		}
		other.Close()
		v4.Close()
	}
	return nil, 0, errors.New("no port is free on both 127.0.0.1 and ::1")
}

func portOf(l net.Listener) int {
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0
	}
	return a.Port
}

// authorizeURL is RFC 6749 section 4.1.1. login_hint is OpenID Connect's.
func (b *BrowserSignIn) authorizeURL(claims string) string {
	a := b.account
	u, err := url.Parse(a.at(a.Provider.AuthorizeURL))
	if err != nil {
		return "" // complete has checked it
	}
	q := u.Query()
	for k, v := range a.Provider.AuthorizeParams {
		q.Set(k, v)
	}
	for k, v := range map[string]string{
		"client_id": a.ClientID, "response_type": "code", "redirect_uri": b.redirect, "state": b.state,
		"scope": strings.Join(a.signInScopes(), " "), "login_hint": a.SignInAs,
		"code_challenge": challenge(b.verifier), "code_challenge_method": "S256",
	} {
		q.Set(k, v)
	}
	if a.speaksMicrosoft() {
		q.Set("response_mode", "query") // a fragment would stay in the browser
	}
	if claims != "" {
		q.Set("claims", claims)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// serve takes the answer. The caller holds Manager.mu, which keeps Close from waiting too early.
func (b *BrowserSignIn) serve(listeners []net.Listener) {
	b.server = &http.Server{
		Handler: http.HandlerFunc(b.handle), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // it would quote requests
	}
	// A connection kept alive would keep Close waiting.
	b.server.SetKeepAlivesEnabled(false)
	for _, l := range listeners {
		b.m.running.Go(func() { b.server.Serve(l) })
	}
	b.limit = time.AfterFunc(signInLimit, func() { b.end(newProblem("sign-in-timeout", about{account: b.account})) })
}

// URL is what the person opens in a browser.
func (b *BrowserSignIn) URL() string { return b.address }

// Wait returns when the sign-in has come to its end: nil when the account is signed in, a *Problem when not,
// or the cause of ctx. It may be called several times.
func (b *BrowserSignIn) Wait(ctx context.Context) error {
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the sign-in: %w", context.Cause(ctx))
	}
}

// Paste takes what the browser could not bring: the address of the last page, or the code in it. It returns as
// Wait does; an error that is no *Problem says that the text was not it, and that the sign-in goes on.
func (b *BrowserSignIn) Paste(ctx context.Context, text string) error {
	r, err := readPasted(text, b.state)
	if err != nil {
		return err
	}
	if err := b.m.begin(); err != nil {
		return err
	}
	go func() {
		defer b.m.running.Done()
		b.take(ctx, r)
	}()
	return b.Wait(ctx)
}

// Close breaks the sign-in off, unless its answer has come, and frees the port. It waits until the browser has
// the page that tells how it went.
func (b *BrowserSignIn) Close() {
	b.end(newProblem("sign-in-ended", about{account: b.account}))
	b.part()
}

// take uses the first answer that comes, and returns how it went; a later one only learns that.
func (b *BrowserSignIn) take(ctx context.Context, r response) (first bool, err error) {
	if !b.claim() {
		<-b.done
		return false, b.err
	}
	ctx, cancel := unhurried(ctx)
	defer cancel()
	b.finish(b.use(ctx, r))
	return true, b.err
}

func (b *BrowserSignIn) use(ctx context.Context, r response) error {
	if r.refused.Error != "" {
		return r.refused.problem(about{account: b.account, host: hostOf(b.account.Provider.AuthorizeURL)})
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {r.code}, "redirect_uri": {b.redirect}, "code_verifier": {b.verifier},
	}
	if b.account.speaksMicrosoft() {
		form.Set("scope", strings.Join(b.account.signInScopes(), " "))
	}
	return b.redeem(ctx, form)
}

// end ends a sign-in that has no answer yet.
func (b *BrowserSignIn) end(p *Problem) {
	if b.claim() {
		b.finish(p)
	}
}

func (b *BrowserSignIn) claim() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.taken
	b.taken = true
	return !was
}

// finish makes the outcome known and lets the next sign-in begin. The port stays open for a moment, for the
// browser's second tab.
func (b *BrowserSignIn) finish(err error) {
	b.err = b.ended(err)
	b.m.mu.Lock()
	if l := b.m.live[b.account.Email]; l != nil && l.browser == b {
		l.browser = nil
	}
	b.m.mu.Unlock()
	close(b.done)
	time.AfterFunc(lingerLimit, b.part)
}

// part closes the port, after the pages under way.
func (b *BrowserSignIn) part() {
	b.parting.Do(func() {
		b.limit.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), partLimit)
		defer cancel()
		if b.server.Shutdown(ctx) != nil {
			b.server.Close()
		}
		b.m.mu.Lock()
		defer b.m.mu.Unlock()
		delete(b.m.ports, b)
	})
}
