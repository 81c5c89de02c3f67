package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"postern/internal/config"
	"postern/internal/control"
	"postern/proxy"
)

// daemonAccounts is what a daemon needs of auth, for its proxy and for its control.
type daemonAccounts interface {
	proxy.Accounts
	control.Accounts
}

// daemon is everything that `postern serve` and `postern demo` run: listeners, sessions, and control.
type daemon struct {
	accounts daemonAccounts
	proxy    *proxy.Server
	control  *control.Server
	log      *slog.Logger
	socket   *control.Socket // of the local API; nil in the demo
	reload   func() error    // applies a changed configuration; nil in the demo

	configured atomic.Pointer[config.Listen] // what the listeners come from
	reloading  sync.Mutex                    // held by one reload at a time

	mu      sync.Mutex // guards what follows
	open    []*listener
	start   func(*listener) // begins to serve one; nil before run
	running sync.WaitGroup
}

func newDaemon(accounts daemonAccounts, server *proxy.Server, log *slog.Logger) *daemon {
	d := &daemon{accounts: accounts, proxy: server, log: log}
	d.configured.Store(&config.Listen{})
	server.Accounts, server.Log, server.SignInURL = accounts, log, d.signInURL
	d.control = &control.Server{
		Accounts: accounts, Sessions: server, Tunnels: server, Version: version(), Listeners: d.listeners, Log: log, Started: time.Now(),
		Reload: func() error {
			if d.reload == nil {
				return errors.New("the demo has no configuration")
			}
			return d.reload()
		},
	}
	d.control.Clients = d.clientPages()
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

// errStopping is what mail clients hear at the end, and their people read.
var errStopping = errors.New("the daemon is being stopped")

// run serves until ctx ends and every session has said goodbye. A listener that breaks ends them all, and
// is the error.
func (d *daemon) run(stop context.Context) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(stop))
	defer context.AfterFunc(stop, func() { cancel(errStopping) })()
	var once sync.Once
	var broken error
	serve := func(name string, f func() error) {
		d.running.Go(func() {
			if err := f(); err != nil {
				once.Do(func() { broken = fmt.Errorf("%s: %w", name, err) })
				cancel(errStopping)
			}
		})
	}
	d.mu.Lock()
	d.start = func(l *listener) { serve(l.key, func() error { return d.serve(ctx, l) }) }
	for _, l := range d.open {
		d.start(l)
	}
	d.mu.Unlock()
	if d.socket != nil {
		serve("control", func() error {
			defer d.control.Wait()
			return serveHTTP(ctx, d.socket, newHTTP(d.control.API()))
		})
	}
	notifySystemd(systemd.SdNotifyReady)
	serve("watchdog", func() error { return feedWatchdog(ctx) })
	<-ctx.Done()
	d.running.Wait()
	return broken
}

// serve answers on one listener. One that was retired has not broken.
func (d *daemon) serve(ctx context.Context, l *listener) error {
	var err error
	if l.protocol != nil {
		err = d.proxy.Serve(ctx, l.Listener, l.protocol)
	} else {
		d.log.Info("listener ready", "proto", "web", "address", l.Addr().String())
		err = serveHTTP(ctx, l.Listener, newWeb(d.control.Page()))
	}
	if l.retired.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// inUse names the accounts that have sessions.
func (d *daemon) inUse() []string {
	var emails []string
	for _, s := range d.proxy.Sessions() {
		if s.Account != "" {
			emails = append(emails, s.Account)
		}
	}
	return emails
}
