package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"postern/internal/store"
)

// keyFlag looks at --key before anything is made or asked: a place that is out of reach ends the run, and one
// that the key does not have is refused. It is never another place than the one that was named.
func (s *setup) keyFlag(ctx context.Context) error {
	named := s.o.key
	if named == "" {
		return nil
	}
	to, err := store.ParseSource(s.stateDir(), named)
	if err != nil {
		return usageError("file, file:PATH, keyring, credential or credential:NAME", "--key: %w", err)
	}
	if isDir(s.stateDir()) { // else there is no key, and opening would make the directory
		f, err := s.keyedStore()
		if err != nil {
			return err
		}
		if has, err := f.HasKey(ctx); err != nil {
			return err
		} else if has {
			return s.keepKey(f, to)
		}
	}
	if err := store.CanChoose(ctx, s.stateDir(), to); err != nil {
		return failed(fmt.Errorf("--key %s: %w", named, err), "mend that, or name another place; nothing was made")
	}
	s.key = to
	return nil
}

func (s *setup) keepKey(f *store.File, to store.KeySource) error {
	if store.NameSource(s.stateDir(), to) != f.KeyPlace() {
		return failed(fmt.Errorf("--key %s: the key of the store is in the %s already", s.o.key, f.Describe()),
			"postern store move "+shellWord(s.o.key))
	}
	s.ui.say("the key of the store is in the %s: kept", f.Describe())
	return nil
}

// askKey is the question where the key is to be, as long as there is none. A place that is out of reach is no
// answer to it.
func (s *setup) askKey(ctx context.Context) error {
	if !s.asks || s.key != nil {
		return nil
	}
	f := s.store.(*store.File)
	if has, err := f.HasKey(ctx); has || err != nil {
		return err
	}
	s.ui.say("\nwhere should the key be kept that protects your sign-ins on this disk?\n%s", explainKeyPlaces(runtime.GOOS))
	_, err := s.ui.ask(ctx, "key", f.KeyPlace(), func(answer string) error {
		to, err := store.ParseSource(s.stateDir(), answer)
		if err == nil {
			err = store.CanChoose(ctx, s.stateDir(), to)
		}
		if ctx.Err() != nil {
			return nil // nobody is there to be asked again; the next question to ctx says so
		}
		s.key = to
		return err
	})
	return errors.Join(err, ctx.Err())
}

// explainKeyPlaces says what each answer means on a system.
func explainKeyPlaces(system string) string {
	ring := "the Secret Service of your desktop"
	switch system {
	case "darwin":
		ring = "your login keychain"
	case "windows":
		ring = "the Credential Manager"
	}
	places := []string{
		"  file        a file beside the store that only you can read; works always, also for a service without a login",
		"  keyring     " + ring + ": opens when you log in, and is out of reach for a service that runs without that",
	}
	if system == "linux" {
		places = append(places, "  credential  systemd gives it to the service, and to nobody else (packaging/README.md)")
	}
	return strings.Join(places, "\n")
}

// chooseKey makes the choice right before the first record, which makes the key. An earlier choice stays.
func (s *setup) chooseKey(ctx context.Context) error {
	f := s.store.(*store.File)
	if has, err := f.HasKey(ctx); has || err != nil {
		return err
	}
	if s.key != nil {
		if err := store.Choose(ctx, s.stateDir(), s.key); err != nil {
			return fmt.Errorf("choose where the key of the store is: %w", err)
		}
	}
	place := f.Describe()
	if f.KeyPlace() == "keyring" { // its entry gets its name with the key
		place = "system's keyring"
	}
	s.ui.say("the key that protects the tokens goes into the %s", place)
	return nil
}
