package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"postern/auth"
)

// upstream is a connection to the provider's server that is logged in.
type upstream struct {
	wire    *wire
	welcome welcome
}

// tokenRefused is the upstream's no to an access token. Servers do not say why: it may be the token, the
// mailbox, or a switch that the administrator has turned off.
type tokenRefused struct {
	text      string // the server's words
	challenge string // its JSON, where it sent one (RFC 7628 section 3.2.2)
}

func (e *tokenRefused) Error() string {
	if e.challenge != "" {
		return fmt.Sprintf("upstream refused the token: %s (%s)", e.text, e.challenge)
	}
	return "upstream refused the token: " + e.text
}

// justIssued is how young a token is for which another one would be no better, if it has never been accepted.
const justIssued = time.Minute

// connect logs in upstream. A refused token is renewed once, and tried on a new connection.
func (s *Server) connect(ctx context.Context, p Protocol, account auth.Account) (*upstream, error) {
	address := p.address(account.Provider)
	if address == "" {
		return nil, errNoSuchProtocol
	}
	token, err := s.Accounts.Token(ctx, account.Email)
	if err != nil {
		return nil, err
	}
	if err := account.Covers(p.name(), token); err != nil {
		return nil, err
	}
	up, err := s.dialAndLogin(ctx, p, account, address, token.Access)
	refused, ok := errors.AsType[*tokenRefused](err)
	if !ok {
		return up, s.outcome(ctx, p, account, err)
	}
	// A token that seems to come from the future is from a time when the clock was wrong.
	if age := time.Since(token.Issued); age < 0 || age > justIssued || s.knowledge.accepted(gateKey(p, account), token.Access) {
		if token, err = s.Accounts.Renew(ctx, account.Email, token.Access); err != nil {
			return nil, err
		}
		up, err = s.dialAndLogin(ctx, p, account, address, token.Access)
		if refused, ok = errors.AsType[*tokenRefused](err); !ok {
			return up, s.outcome(ctx, p, account, err)
		}
	}
	problem, known := auth.Explain(refused.text)
	if !known {
		problem = &auth.Problem{Class: auth.Retry, Code: "token-refused", Say: "the mail server refused the access token and a renewed one",
			Cure: "postern check " + account.Email + " shows what the token is for"}
	}
	problem.Err = refused
	return nil, s.outcome(ctx, p, account, problem)
}

// outcome names the account in what a server has said, and keeps it for who looks why a client does not get in.
func (s *Server) outcome(ctx context.Context, p Protocol, account auth.Account, err error) error {
	if problem, ok := errors.AsType[*auth.Problem](err); ok {
		problem.For(account)
	}
	s.troubles.note(ctx, p, account, err)
	return err
}

// Probe logs in upstream as a session would, and leaves again: what `postern check` asks. Its errors are
// *auth.Problem where the reason is known. Any goroutine may call it.
func (s *Server) Probe(ctx context.Context, p Protocol, account auth.Account) error {
	s.prepare()
	ctx, cancel := context.WithTimeout(ctx, s.limits().LoginTime)
	defer cancel()
	up, err := s.connect(ctx, p, account)
	if err != nil {
		return err
	}
	up.wire.conn.Close()
	up.wire.release()
	return nil
}

// dialAndLogin makes a connection and takes it through the protocol's login, within ctx.
func (s *Server) dialAndLogin(ctx context.Context, p Protocol, account auth.Account, address string, token auth.Secret) (*upstream, error) {
	key := gateKey(p, account)
	if c := s.spares.take(key); c != nil {
		up, err := s.loginOn(ctx, p, account, address, c, token)
		if err == nil || ctx.Err() != nil || answered(err) {
			return up, err
		}
		// The spare was dead without our knowing: a network that forgets idle connections says nothing.
	}
	up, err := s.openAndLogin(ctx, p, account, address, token)
	if errors.Is(err, errLostBehind) {
		s.knowledge.wantOrder(p, address)
		up, err = s.openAndLogin(ctx, p, account, address, token)
	}
	return up, err
}

// openAndLogin makes a connection and logs in. Where that goes wrong with what was only assumed of the server, it
// asks the server on another one.
func (s *Server) openAndLogin(ctx context.Context, p Protocol, account auth.Account, address string, token auth.Secret) (*upstream, error) {
	c, err := s.open(ctx, p, account, address)
	if err != nil {
		return nil, err
	}
	up, err := s.loginOn(ctx, p, account, address, c, token)
	if err == nil || !c.assumed || !atOddsWith(err) || ctx.Err() != nil || !s.knowledge.doubt(p, address) {
		return up, err
	}
	return s.openAndLogin(ctx, p, account, address, token)
}

// atOddsWith says whether an error may come from saying to a server what it does not expect.
func atOddsWith(err error) bool {
	_, refused := errors.AsType[*tokenRefused](err)
	return refused || !answered(err) && !errors.Is(err, errLostBehind)
}

// answered says whether an error is the server's own word, and not a connection's end.
func answered(err error) bool {
	if _, ok := errors.AsType[*tokenRefused](err); ok {
		return true
	}
	p, ok := errors.AsType[*auth.Problem](err)
	return ok && p.Code != networkTrouble
}

// networkTrouble is the code of a *auth.Problem that comes from a connection and not from a server.
const networkTrouble = "network"

// loginOn proves the token on a connection, which it closes when that goes wrong.
func (s *Server) loginOn(ctx context.Context, p Protocol, account auth.Account, address string, c *opened, token auth.Secret) (*upstream, error) {
	key := gateKey(p, account)
	known := s.knowledge.mailbox(key)
	cred := credentials{mailbox: account.Mailbox, token: token, known: known, inOrder: s.knowledge.wantsOrder(p, address)}
	cred.until, _ = ctx.Deadline()
	var answer welcome
	err := c.within(ctx, func() (err error) {
		answer, err = c.begun.login(cred)
		return err
	})
	if err != nil {
		s.knowledge.forget(p, address, key)
		c.close()
		return nil, s.explain(ctx, address, err)
	}
	s.knowledge.learn(p, address, key, answer, token, known == "")
	if c.assumed {
		s.knowledge.confirm(p, address)
	}
	if answer.inOrder {
		s.knowledge.wantOrder(p, address)
	}
	return &upstream{wire: c.wire, welcome: answer}, nil
}

// opened is an upstream connection that waits for a token.
type opened struct {
	tcp   net.Conn
	wire  *wire
	begun begun
	// assumed says that nobody has asked the server what it offers.
	assumed bool
}

// open makes a connection and takes it as far as it goes without a token.
func (s *Server) open(ctx context.Context, p Protocol, account auth.Account, address string) (*opened, error) {
	w, config, err := s.dial(ctx, p, account.Provider, address)
	if err != nil {
		return nil, s.explain(ctx, address, err)
	}
	c := &opened{tcp: w.conn, wire: w}
	var offers string
	offers, c.assumed = s.knowledge.server(p, address, p.offers(account.Provider))
	err = c.within(ctx, func() (err error) {
		c.begun, err = p.begin(w, upstreamOptions{
			server: address, offers: offers,
			startTLS: func() error { return upgrade(ctx, w, config) },
		})
		return err
	})
	if err != nil {
		c.close()
		return nil, s.explain(ctx, address, err)
	}
	return c, nil
}

// within lets ctx end whatever f waits for on the connection.
func (c *opened) within(ctx context.Context, f func() error) error {
	if deadline, ok := ctx.Deadline(); ok {
		c.tcp.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { c.tcp.SetDeadline(longAgo) })
	err := f()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	return err
}

func (c *opened) close() {
	c.wire.conn.Close()
	c.wire.release()
}

// explain makes a *auth.Problem of an error on the way upstream, but for a refused token.
func (s *Server) explain(ctx context.Context, address string, err error) error {
	if _, refused := errors.AsType[*tokenRefused](err); refused {
		return err
	}
	if isTimeout(err) || ctx.Err() != nil {
		late := fmt.Errorf("no answer within %v", s.limits().LoginTime)
		if errors.Is(err, errLostBehind) {
			late = fmt.Errorf("%w: %w", late, errLostBehind)
		}
		err = late
	}
	return unreachable(address, err)
}

// upgrade starts TLS on a connection that began without. Bytes that came behind the server's go-ahead came
// without TLS: whoever put them there wants them taken for the server's (RFC 3207 section 6).
func upgrade(ctx context.Context, w *wire, config *tls.Config) error {
	if w.buffered() > 0 {
		return errors.New("upstream sent data between STARTTLS and TLS")
	}
	conn := tls.Client(newRecordConn(w.conn), config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	w.replaceConn(conn)
	return nil
}

// unreachable is a trouble between us and the server, which passes or has its reason in the network.
func unreachable(address string, err error) error {
	if _, ok := errors.AsType[*auth.Problem](err); ok {
		return err
	}
	p := &auth.Problem{Class: auth.Retry, Code: networkTrouble, Say: "can not reach " + address + ": " + say(err),
		Cure: "check the network; Postern tries again by itself", Err: err}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		p.Class, p.Code = auth.Configuration, "certificate"
		p.Say = "the certificate of " + address + " is not trusted: " + say(err)
		p.Cure = "set ca_file for the provider if the server's authority is your own; otherwise somebody may be listening in"
	}
	return p
}

// say takes the reason out of Go's network errors, whose beginnings repeat what the sentence says already.
func say(err error) string {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e.Err.Error()
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + e.Name + " can not be looked up (" + e.Err + ")"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// dialers keeps one TLS configuration per provider, so that sessions are resumed.
type dialers struct {
	mu      sync.Mutex // guards configs
	configs map[dialKey]*tls.Config
}

type dialKey struct {
	host  string
	roots *x509.CertPool
}

func (d *dialers) config(host string, roots *x509.CertPool) *tls.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := dialKey{host, roots}
	c := d.configs[key]
	if c == nil {
		c = &tls.Config{
			ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(64),
			// Small first records help web pages to show early; a message that is uploaded gains nothing.
			DynamicRecordSizingDisabled: true,
		}
		if d.configs == nil {
			d.configs = map[dialKey]*tls.Config{}
		}
		d.configs[key] = c
	}
	return c
}

// dial connects, and proves the server's name where TLS comes first.
func (s *Server) dial(ctx context.Context, p Protocol, provider auth.Provider, address string) (*wire, *tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, &auth.Problem{Class: auth.Configuration, Code: "address", Err: err,
			Say: fmt.Sprintf("the server address %q is not host:port", address), Cure: "correct it in the provider's table"}
	}
	conn, err := s.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	keepAlive(conn)
	config := s.dialers.config(host, provider.RootCAs)
	w := newWire(conn)
	if p.implicitTLS(address) {
		if err := upgrade(ctx, w, config); err != nil {
			conn.Close()
			w.release()
			return nil, nil, err
		}
	}
	return w, config, nil
}
