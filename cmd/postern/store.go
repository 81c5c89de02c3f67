package main

import (
	"context"
	"fmt"
	"log/slog"

	"postern/internal/store"
)

// keyedStore opens the store of the state directory for the commands that change its key.
func (a *app) keyedStore() (*store.File, error) {
	if _, err := a.config(); err != nil {
		return nil, err
	}
	s, err := a.openStore(a.cfg)
	if err != nil {
		return nil, err
	}
	a.store = s
	return s.(*store.File), nil
}

func runStoreMove(ctx context.Context, a *app, args []string) error {
	where, err := oneArgument(args, "where to (file, keyring or credential)")
	if err != nil {
		return err
	}
	f, err := a.keyedStore()
	if err != nil {
		return err
	}
	log, err := a.log()
	if err != nil {
		return err
	}
	to, err := store.ParseSource(a.stateDir(), where)
	if err != nil {
		return usageError("file, file:PATH, keyring, credential or credential:NAME", "%w", err)
	}
	before := f.Describe()
	if err := keyChanged(log, "moved", f.Move(ctx, to), "from", before, "to", to.Describe()); err != nil {
		return fmt.Errorf("move the key of the store: %w", err)
	}
	a.ui.say("the key of the store is now in: %s", f.Describe())
	return nil
}

func runStoreRekey(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	f, err := a.keyedStore()
	if err != nil {
		return err
	}
	log, err := a.log()
	if err != nil {
		return err
	}
	if err := keyChanged(log, "replaced", f.Rekey(ctx), "in", f.Describe()); err != nil {
		return fmt.Errorf("make a new key for the store: %w", err)
	}
	a.ui.say("every record is sealed with a new key, in: %s", f.Describe())
	return nil
}

// keyChanged logs how a change of the key went, and returns err.
func keyChanged(log *slog.Logger, how string, err error, where ...any) error {
	where = append(where, "audit", true)
	if err != nil {
		log.Warn("store key not "+how, append(where, "err", err.Error())...)
		return err
	}
	log.Info("store key "+how, where...)
	return nil
}
