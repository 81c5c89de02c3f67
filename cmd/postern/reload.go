package main

import (
	"context"
	"errors"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"postern/auth"
	"postern/internal/control"
)

func runReload(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	err := control.NewClient(a.stateDir()).Reload(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		return failed(err, "start it with postern serve; it reads the configuration when it starts")
	}
	if err != nil {
		return configError(err, "nothing was changed; mend the file and reload again")
	}
	a.ui.say("the changed configuration is in force; sessions went on")
	return nil
}

// reload puts a changed configuration into force: all of it, or with an error nothing. Sessions go on, and
// on with what they began with.
func (a *app) reload(d *daemon, m *auth.Manager) (err error) {
	d.reloading.Lock() // the command and the signal may come together
	defer d.reloading.Unlock()
	notifySystemd(systemd.SdNotifyReloading)
	defer notifySystemd(systemd.SdNotifyReady)
	defer func() {
		if err != nil {
			d.log.Error("configuration not reloaded", "err", err)
		}
	}()
	old := a.cfg
	a.cfg = nil
	cfg, err := a.config()
	if err != nil {
		a.cfg = old
		return err
	}
	a.cfg = old
	providers, err := providersOf(cfg)
	if err != nil {
		return err
	}
	settings, err := proxySettings(cfg)
	if err != nil {
		return err
	}
	err = d.changeListeners(wantedListeners(cfg.Listen), func() error {
		if err := m.Reconfigure(providers, declaredAccounts(cfg), protocolsOf(cfg.Listen)); err != nil {
			return configError(err, "")
		}
		d.proxy.Apply(settings)
		d.configured.Store(&cfg.Listen)
		return nil
	})
	if err != nil {
		return err
	}
	a.cfg = cfg
	d.log.Info("configuration reloaded", "file", cfg.Path)
	if cfg.Store != old.Store || cfg.Log != old.Log {
		d.log.Warn("not everything is in force", "why", "[store] and [log] take effect when the daemon starts")
	}
	return nil
}
