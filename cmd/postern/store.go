package main

import (
	"context"
	"fmt"

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
	to, err := store.ParseSource(a.stateDir(), where)
	if err != nil {
		return usageError("file, file:PATH, keyring, credential or credential:NAME", "%w", err)
	}
	if err := f.Move(ctx, to); err != nil {
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
	if err := f.Rekey(ctx); err != nil {
		return fmt.Errorf("make a new key for the store: %w", err)
	}
	a.ui.say("every record is sealed with a new key, in: %s", f.Describe())
	return nil
}
