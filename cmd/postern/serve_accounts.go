package main

import (
	"context"
	"log/slog"

	"postern/auth"
)

// logAccounts says once, when the daemon has started, which accounts it can not serve: without it whoever reads the
// log of a start would hear of a lost key or an ended sign-in only from the first mail client that is refused.
func logAccounts(ctx context.Context, m *auth.Manager, log *slog.Logger) {
	states, err := m.Status(ctx)
	if ctx.Err() != nil { // the store may be closed already
		return
	}
	if err != nil {
		log.Warn("accounts can not be listed", "err", err)
		return
	}
	for _, s := range states {
		level, problem, cure := slog.LevelWarn, "", ""
		if s.Problem != nil {
			problem, cure = s.Problem.Say, s.Problem.Cure
		}
		switch s.State {
		case auth.StateReady:
			continue
		case auth.StateNeverSignedIn, auth.StateSignedOut:
			level, cure = slog.LevelInfo, "postern login "+s.Account
		}
		log.Log(ctx, level, "account not ready", "account", s.Account, "state", s.State, "problem", problem, "cure", cure)
	}
}
