package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// interrupted makes a store whose change of keys stopped after some of its records: the choice names both
// keys, ann's record is under the new one, and the others are under the one before.
func interrupted(t *testing.T, lib *fakeKeyring) (state string) {
	t.Helper()
	state = t.TempDir()
	s := openState(t, state, lib)
	fill(t, s)
	// A record that nobody can lock stands for the moment when the process died.
	ctx, cancel := context.WithCancel(t.Context())
	stop, err := lockFile(ctx, s.path(fileName("con"), lockEnding))
	if err != nil {
		t.Fatal(err)
	}
	defer stop.unlock()
	watch := openState(t, state, lib)
	failed := make(chan error, 1)
	source, _ := ParseSource(state, "keyring")
	go func() { failed <- s.Move(ctx, source) }()
	before := keyID(t, filepath.Join(state, keyFile))
	eventually(t, "the first record", func() bool {
		r, err := watch.rawRecord(fileName("%key"))
		return err == nil && r.id != before || len(failed) != 0
	})
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "is not finished, and every record stays readable") {
		t.Fatalf("got %v", err)
	}
	s.Close()
	if ids := keyIDs(t, watch); len(ids) != 2 || watch.Unfinished() != "key file "+filepath.Join(state, keyFile) {
		t.Fatalf("sealed with %x, before: %q", ids, watch.Unfinished())
	}
	return state
}

func keyID(t *testing.T, path string) [keyIDSize]byte {
	t.Helper()
	key, err := FileKey(path).Key(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	return newSealer(key).id
}

// whenSettled waits for what a store does in the background.
func whenSettled(t *testing.T, s *File) {
	t.Helper()
	eventually(t, "the end of the change", func() bool { return s.Unfinished() == "" })
	s.background.Wait()
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	t.Run("next open", func(t *testing.T) {
		lib := &fakeKeyring{}
		state := interrupted(t, lib)
		s := openState(t, state, lib)
		for _, account := range manyAccounts {
			if _, err := s.View(t.Context(), account); err != nil {
				t.Error(err)
			}
		}
		whenSettled(t, s)
		requireSettled(t, s, nil)
		if _, err := os.Stat(filepath.Join(state, keyFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the key before is left: %v", err)
		}
		requireReadable(t, state, lib, manyAccounts...)
	})
	t.Run("again", func(t *testing.T) {
		lib := &fakeKeyring{}
		state := interrupted(t, lib)
		s := openState(t, state, lib)
		before := keyIDs(t, s)
		if err := s.Rekey(t.Context()); err != nil {
			t.Fatal(err)
		}
		requireSettled(t, s, before)
		requireReadable(t, state, lib, manyAccounts...)
	})
	// Whoever can not reach one of the two keys sees the records of the other.
	t.Run("one key out of reach", func(t *testing.T) {
		lib := &fakeKeyring{}
		state := interrupted(t, lib)
		key := filepath.Join(state, keyFile)
		if err := os.Chmod(key, 0o644); err != nil {
			t.Fatal(err)
		}
		if !readableByOthers(0o644) {
			return // Windows keeps access lists instead of modes
		}
		s := openState(t, state, lib)
		sealed := map[bool]int{}
		for _, account := range manyAccounts {
			_, err := s.View(t.Context(), account)
			sealed[err == nil]++
			if err != nil && (!errors.Is(err, ErrUnavailable) || errors.Is(err, ErrWrongKey)) {
				t.Errorf("%s: %v", account, err)
			}
		}
		if sealed[true] == 0 || sealed[false] == 0 {
			t.Errorf("got %v", sealed)
		}
		if err := s.Rekey(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "not finished") {
			t.Errorf("rekey: %v", err)
		}
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
		requireReadable(t, state, lib, manyAccounts...)
	})
	t.Run("locked keyring", func(t *testing.T) {
		lib := &fakeKeyring{}
		state := interrupted(t, lib)
		before := snapshot(t, state)
		lib.answer(func(string) error { return errors.New("locked") })
		s := openState(t, state, lib)
		for _, account := range manyAccounts {
			if _, err := s.View(t.Context(), account); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %v", account, err)
			}
		}
		s.background.Wait()
		if after := snapshot(t, state); !slices.Equal(before, after) {
			t.Error("it changed")
		}
		lib.answer(nil)
		requireReadable(t, state, lib, manyAccounts...)
		if err := s.Rekey(t.Context()); err != nil {
			t.Error(err)
		}
	})
	// The process died after it removed the key before and could not say so any more.
	t.Run("key before is gone", func(t *testing.T) {
		state := t.TempDir()
		s := openState(t, state, nil)
		fill(t, s)
		c := s.key.source.(*chosen)
		if err := c.write(choice{key: fileKey(filepath.Join(state, keyFile)), before: fileKey(filepath.Join(state, "gone.key"))}); err != nil {
			t.Fatal(err)
		}
		again := openState(t, state, nil)
		if _, err := again.View(t.Context(), ann); err != nil {
			t.Error(err)
		}
		whenSettled(t, again)
		requireReadable(t, state, nil, manyAccounts...)
		if got := choiceOf(t, state); got != "key: file store.key" {
			t.Error(got)
		}
	})
	// The process died between the write of the choice and that of the new key file.
	t.Run("both are the same", func(t *testing.T) {
		state := t.TempDir()
		s := openState(t, state, nil)
		fill(t, s)
		aside := fileKey(filepath.Join(state, keyFile+".before"))
		key, err := s.key.source.Key(t.Context(), false)
		if err == nil {
			err = aside.keep(t.Context(), key)
		}
		if err == nil {
			err = s.key.source.(*chosen).write(choice{key: fileKey(filepath.Join(state, keyFile)), before: aside})
		}
		if err != nil {
			t.Fatal(err)
		}
		requireReadable(t, state, nil, manyAccounts...)
		again := openState(t, state, nil)
		if err := again.Rekey(t.Context()); err != nil {
			t.Fatal(err)
		}
		requireSettled(t, again, nil)
		requireReadable(t, state, nil, manyAccounts...)
	})
}
