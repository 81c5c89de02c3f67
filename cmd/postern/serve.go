package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/proxy"
)

func runServe(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	a.isDaemon = true
	m, err := a.accounts()
	if err != nil {
		return err
	}
	log, err := a.log()
	if err != nil {
		return err
	}
	local, err := localTLS(a.cfg)
	if err != nil {
		return err
	}
	d := newDaemon(m, &proxy.Server{TLS: local, AllowInsecure: a.cfg.Listen.AllowInsecure, Limits: limitsOf(a.cfg.Limits)}, log)
	defer d.close()
	if err := d.openSocket(a.stateDir()); err != nil {
		return err
	}
	if err := d.listen(a.cfg); err != nil {
		return err
	}
	log.Info("started", "version", version(), "state", a.stateDir(), "pid", os.Getpid())
	err = d.run(ctx)
	log.Info("stopping", "cause", fmt.Sprint(context.Cause(ctx)))
	return err
}

func limitsOf(l config.Limits) proxy.Limits {
	return proxy.Limits{
		Sessions: l.Sessions, PerMailbox: l.SessionsPerMailbox, PreLogin: l.PreLogin,
		PreLoginTime: time.Duration(l.LoginTimeout), LoginTime: time.Duration(l.UpstreamTimeout),
	}
}

// daemonAccounts is what a daemon needs of auth, for its proxy and for its control.
type daemonAccounts interface {
	proxy.Accounts
	control.Accounts
}

// daemon is everything that `postern serve` and `postern demo` run: listeners, sessions, and control.
type daemon struct {
	accounts daemonAccounts
	proxy    *proxy.Server
	log      *slog.Logger
	socket   net.Listener // of the local API; nil in the demo
	web      net.Listener // nil when it is off
	mail     []mailListener
}

type mailListener struct {
	key      string
	listener net.Listener
	protocol proxy.Protocol
}

func newDaemon(accounts daemonAccounts, server *proxy.Server, log *slog.Logger) *daemon {
	d := &daemon{accounts: accounts, proxy: server, log: log}
	server.Accounts, server.Log, server.SignInURL = accounts, log, d.signInURL
	return d
}

// openSocket makes the daemon the only one of its state directory.
func (d *daemon) openSocket(stateDir string) (err error) {
	if d.socket, err = control.Listen(stateDir); err == nil {
		return nil
	}
	if errors.Is(err, control.ErrRunning) {
		return failed(err, `"postern status" shows it; two daemons need two directories (--state) and their own ports`)
	}
	return failed(fmt.Errorf("control socket: %w", err), "choose another state directory with --state DIR")
}

// localTLS loads the certificate for clients; nil when there is none.
func localTLS(cfg *config.Config) (*tls.Config, error) {
	if cfg.Listen.TLSCert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(cfg.Listen.TLSCert, cfg.Listen.TLSKey)
	if err != nil {
		return nil, configError(fmt.Errorf("listen.tls_cert, listen.tls_key: %w", err), "both are PEM files that belong together")
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// listen opens every address of the configuration before anything is served: half a daemon is worse than none.
func (d *daemon) listen(cfg *config.Config) error {
	l := cfg.Listen
	if l.IMAP != "" {
		ln, err := net.Listen("tcp", l.IMAP)
		if err != nil {
			return listenError("listen.imap", l.IMAP, err)
		}
		d.mail = append(d.mail, mailListener{"imap", ln, proxy.IMAP()})
	}
	if l.IMAPS != "" {
		ln, err := net.Listen("tcp", l.IMAPS)
		if err != nil {
			return listenError("listen.imaps", l.IMAPS, err)
		}
		d.mail = append(d.mail, mailListener{"imaps", proxy.ListenTLS(ln, d.proxy.TLS), proxy.IMAP()})
	}
	if l.Web != "" {
		ln, err := net.Listen("tcp", l.Web)
		if err != nil {
			return listenError("listen.web", l.Web, err)
		}
		d.web = ln
	}
	return nil
}

func (d *daemon) close() {
	for _, l := range d.mail {
		l.listener.Close()
	}
	for _, ln := range []net.Listener{d.web, d.socket} {
		if ln != nil {
			ln.Close()
		}
	}
}

// signInURL is the page that a mail client's message names; "" when there is no page.
func (d *daemon) signInURL(account string) string {
	if d.web == nil {
		return ""
	}
	return "http://" + d.web.Addr().String() + control.SignInPath(account)
}

func (d *daemon) listeners() []control.Listener {
	var all []control.Listener
	for _, l := range d.mail {
		all = append(all, control.Listener{Name: l.key, Address: l.listener.Addr().String()})
	}
	if d.web != nil {
		all = append(all, control.Listener{Name: "web", Address: d.web.Addr().String()})
	}
	return all
}

// run serves until ctx ends and every session has said goodbye. A listener that breaks ends them all, and
// is the error.
func (d *daemon) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &control.Server{Accounts: d.accounts, Sessions: d.proxy, Version: version(), Listeners: d.listeners(), Log: d.log, Started: time.Now()}
	var all sync.WaitGroup
	var once sync.Once
	var broken error
	serve := func(name string, f func() error) {
		all.Go(func() {
			if err := f(); err != nil {
				once.Do(func() { broken = fmt.Errorf("%s: %w", name, err) })
				cancel()
			}
		})
	}
	for _, l := range d.mail {
		serve(l.key, func() error { return d.proxy.Serve(ctx, l.listener, l.protocol) })
	}
	if d.web != nil {
		serve("web", func() error { return serveHTTP(ctx, d.web, c.Page()) })
		d.log.Info("listener ready", "proto", "web", "address", d.web.Addr().String())
	}
	if d.socket != nil {
		serve("control", func() error { return serveHTTP(ctx, d.socket, c.API()) })
	}
	all.Wait()
	return broken
}

func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
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
