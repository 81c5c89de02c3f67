package main

import (
	"cmp"
	"context"
	"time"

	"postern/internal/store"
)

// stateEvery is how often the daemon sees whether its state directory is still there.
const stateEvery = 5 * time.Second

// keepState has the daemon outlive its state directory: deleted by mistake, or gone with its disk. The log says so
// once. When there is a directory again, the daemon can be asked again, and the store has its records.
func (d *daemon) keepState(ctx context.Context, stateDir string, s store.Store) {
	tick := time.NewTicker(stateEvery)
	defer tick.Stop()
	for said := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		back, err := d.comeBack(ctx, s)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != said:
			said = err.Error()
			d.log.Error("state directory taken away", "state", stateDir, "err", err)
		case err == nil && (back || said != ""):
			said = ""
			d.log.Info("state directory back", "state", stateDir)
			d.control.LogKept(stateDir)
		}
	}
}

// comeBack puts into the state directory what is missing there; back is true when something was.
func (d *daemon) comeBack(ctx context.Context, s store.Store) (back bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stateEvery)
	defer cancel()
	var wrote bool
	if f, ok := s.(*store.File); ok {
		wrote, err = f.ComeBack(ctx)
	}
	renewed, socketErr := d.socket.Renew()
	return wrote || renewed, cmp.Or(err, socketErr)
}
