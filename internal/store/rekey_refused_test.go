package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What can not work is refused before anything changes.
func TestChangeRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(t *testing.T, s *File)
		to    string // "" = rekey
		class error
		says  string
	}{
		"damaged record": {func(t *testing.T, s *File) { writeFile(t, recordPath(s, bob), []byte("x")) }, "", ErrDamaged, "the key stays as it is"},
		"record of another key": {func(t *testing.T, s *File) {
			writeFile(t, recordPath(s, bob), newSealer([32]byte{9}).seal(bob, []byte("{}")))
		}, "", ErrWrongKey, "the key stays as it is"},
		"key missing": {func(t *testing.T, s *File) {
			if err := os.Remove(filepath.Join(filepath.Dir(s.dir), keyFile)); err != nil {
				t.Fatal(err)
			}
		}, "", ErrNoKey, "is missing"},
		"leftover aside": {func(t *testing.T, s *File) {
			writeFile(t, filepath.Join(filepath.Dir(s.dir), keyFile+".before"), []byte(strings.Repeat("ab", 32)))
		}, "", nil, "move it away"},
		"credential absent":         {nil, "credential", ErrUnavailable, "LoadCredential=postern-key:"},
		"key of something else":     {func(t *testing.T, s *File) { writeFile(t, s.dir+".other", []byte(strings.Repeat("ab", 32))) }, "file:other", nil, "move it away"},
		"directory at the key file": {func(t *testing.T, s *File) { os.Mkdir(s.dir+".other", 0o700) }, "file:other", ErrUnavailable, "move away"},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			s := openState(t, state, &fakeKeyring{})
			put(t, s, tokenOf(ann))
			put(t, s, tokenOf(bob))
			if test.spoil != nil {
				test.spoil(t, s)
			}
			before := snapshot(t, state)
			var err error
			if test.to == "" {
				err = s.Rekey(t.Context())
			} else {
				source, parseErr := ParseSource(state, strings.ReplaceAll(test.to, "file:other", "file:"+s.dir+".other"))
				if parseErr != nil {
					t.Fatal(parseErr)
				}
				err = s.Move(t.Context(), source)
			}
			if err == nil || test.class != nil && !errors.Is(err, test.class) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v; want %v saying %q", err, test.class, test.says)
			}
			if after := snapshot(t, state); !slices.Equal(before, after) {
				t.Errorf("it changed:\n%q\n%q", before, after)
			}
		})
	}
	s := openStore(t, t.TempDir(), fixedKey{})
	for _, err := range []error{s.Rekey(t.Context()), s.Move(t.Context(), fixedKey{})} {
		if err == nil {
			t.Error("a store with a key of its caller")
		}
	}
}

// snapshot is what is in a directory, without lock files.
func snapshot(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, lockEnding) {
			all = append(all, path+" "+string(readFile(t, path)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Somebody who makes a key at the same place in the very moment keeps it.
func TestPlaceTakenMeanwhile(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	s := openState(t, state, lib)
	put(t, s, tokenOf(ann))
	gets := 0
	lib.answer(func(what string) error {
		if what == "get" {
			if gets++; gets == 2 {
				lib.mu.Lock()
				defer lib.mu.Unlock()
				lib.entries = map[string]string{"postern/x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
			}
		}
		return nil
	})
	if err := s.Move(t.Context(), KeyringKey("postern", "x")); !errors.Is(err, errTaken) {
		t.Errorf("got %v", err)
	}
	if len(lib.texts()) != 1 || choiceOf(t, state) != "key: file store.key" {
		t.Errorf("%d keys, %s", len(lib.texts()), choiceOf(t, state))
	}
	requireReadable(t, state, lib, ann)
}

// A move that fails leaves neither a key nor a trace.
func TestMoveFails(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	s := openState(t, state, lib)
	put(t, s, tokenOf(ann))
	before := snapshot(t, state)
	sets := 0
	lib.answer(func(what string) error {
		switch {
		case what == "set":
			sets++
		case what == "get" && sets > 0:
			return errors.New("session only")
		}
		return nil
	})
	source, _ := ParseSource(state, "keyring")
	err := s.Move(t.Context(), source)
	requireUnavailableSaying(t, err, "can not be read back")
	if after := snapshot(t, state); len(lib.texts()) != 0 || !slices.Equal(before, after) {
		t.Errorf("%d keys, %q", len(lib.texts()), after)
	}
	requireReadable(t, state, lib, ann)
}

// What does not open a keyring is no secret either.
func TestKeyInNoError(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	chooseKeyring(t, state, lib)
	s := openState(t, state, lib)
	put(t, s, tokenOf(ann))
	texts := lib.texts()
	lib.answer(func(what string) error { return fmt.Errorf("%s refused", what) })
	source, _ := ParseSource(state, "file")
	for _, err := range []error{s.Rekey(t.Context()), s.Move(t.Context(), source)} {
		if err == nil || strings.Contains(err.Error(), texts[0]) {
			t.Errorf("got %v", err)
		}
	}
}
