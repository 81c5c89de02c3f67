package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"postern/internal/config"
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
	settings, err := proxySettings(a.cfg)
	if err != nil {
		return err
	}
	d := newDaemon(m, &proxy.Server{Settings: settings}, log)
	d.control.Key = a.keyPlace
	d.control.Recent = &a.recent
	defer d.close()
	if err := d.openSocket(a.stateDir()); err != nil {
		return err
	}
	d.control.LogKept(a.stateDir())
	if err := d.listen(a.cfg); err != nil {
		return err
	}
	d.reload = func() error { return a.reload(d, m) }
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	log.Info("started", "version", version(), "state", a.stateDir(), "pid", os.Getpid())
	stop := context.AfterFunc(ctx, func() {
		log.Info("stopping", "cause", fmt.Sprint(context.Cause(ctx)))
		notifySystemd(systemd.SdNotifyStopping)
	})
	defer stop()
	defer followHangups(d, end)()
	go logAccounts(ctx, m, log)
	go m.Keep(ctx, d.inUse)
	go d.keepState(ctx, a.stateDir(), a.store)
	go spareWithMemory(ctx, d.proxy.Work)
	return d.run(ctx)
}

// proxySettings is the part of the configuration that the proxy needs.
func proxySettings(cfg *config.Config) (proxy.Settings, error) {
	local, err := localTLS(cfg)
	l := cfg.Limits
	return proxy.Settings{TLS: local, AllowInsecure: cfg.Listen.AllowInsecure, Limits: proxy.Limits{
		Sessions: l.Sessions, PerMailbox: l.SessionsPerMailbox, PreLogin: l.PreLogin,
		PreLoginTime: time.Duration(l.LoginTimeout), LoginTime: time.Duration(l.UpstreamTimeout),
	}}, err
}

// localTLS loads the certificate for clients; nil when there is none.
func localTLS(cfg *config.Config) (*tls.Config, error) {
	if !cfg.Listen.TLS() {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(cfg.Listen.TLSCert, cfg.Listen.TLSKey)
	if err != nil {
		return nil, configError(fmt.Errorf("listen.tls_cert, listen.tls_key: %w", err), "both are PEM files that belong together")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		// OfflineIMAP reads and writes a connection in two threads, which Python up to 3.12 does not guard. A ticket that
		// comes while it writes its first command behind STARTTLS costs that command: seen in 1 of 100 under load, with
		// Python 3.11, and without tickets in none of 2,000. On this machine a whole handshake costs a millisecond.
		SessionTicketsDisabled: true,
	}, nil
}
