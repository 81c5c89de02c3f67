package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// manyAccounts has names of every kind that becomes another file name.
var manyAccounts = []string{ann, bob, "o'brien@example.com", "ünï@example.com", strings.Repeat("long", 60) + "@example.com", "%key", "con"}

func fill(t testing.TB, s Store) {
	t.Helper()
	for _, account := range manyAccounts {
		put(t, s, tokenOf(account))
	}
}

// keyIDs are the keys that the records of a store are sealed with.
func keyIDs(t testing.TB, s *File) (ids [][keyIDSize]byte) {
	t.Helper()
	names, err := s.accountFiles(recordEnding)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		r, err := s.rawRecord(name)
		if err != nil || r == nil {
			t.Fatal(r, err)
		}
		if !slices.Contains(ids, r.id) {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// requireSettled holds that one new key seals everything, and that of the others nothing is left.
func requireSettled(t testing.TB, s *File, before [][keyIDSize]byte) {
	t.Helper()
	after := keyIDs(t, s)
	if len(after) != 1 || slices.Contains(before, after[0]) {
		t.Errorf("the records are sealed with %x; before with %x", after, before)
	}
	if left := s.Unfinished(); left != "" {
		t.Errorf("unfinished: %s", left)
	}
	for _, pattern := range []string{"store/*.tmp", "*.tmp", "*.lock", "*.before", "store/%key*"} {
		var left []string
		eventually(t, "no "+pattern, func() bool { // another process may just look whether there is work
			left, _ = filepath.Glob(filepath.Join(filepath.Dir(s.dir), filepath.FromSlash(pattern)))
			return len(left) == 0
		})
	}
}

func TestRekey(t *testing.T) {
	for _, kind := range []string{"file", "keyring"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			lib, state := &fakeKeyring{}, t.TempDir()
			source, err := ParseSource(state, kind)
			if err == nil {
				err = choose(t.Context(), state, source, fakeRing(lib))
			}
			if err != nil {
				t.Fatal(err)
			}
			s := openState(t, state, lib)
			if err := s.Rekey(t.Context()); err != nil {
				t.Errorf("without a key: %v", err)
			}
			if len(lib.texts()) != 0 {
				t.Error("without a key: one was made")
			}
			fill(t, s)
			daemon := openState(t, state, lib)
			if _, err := daemon.View(t.Context(), ann); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				before := keyIDs(t, s)
				if err := s.Rekey(t.Context()); err != nil {
					t.Fatal(err)
				}
				requireSettled(t, s, before)
				requireReadable(t, state, lib, manyAccounts...)
				for _, account := range manyAccounts {
					if _, err := daemon.View(t.Context(), account); err != nil {
						t.Errorf("a process that had the key before: %v", err)
					}
				}
				put(t, daemon, tokenOf("new@example.com"))
				requireReadable(t, state, lib, "new@example.com")
				if err := daemon.Delete(t.Context(), "new@example.com"); err != nil {
					t.Fatal(err)
				}
				if kind == "keyring" && len(lib.texts()) != 1 {
					t.Errorf("%d keys are in the keyring", len(lib.texts()))
				}
			}
			if kind == "file" && choiceOf(t, state) != "key: file store.key" {
				t.Error(choiceOf(t, state))
			}
		})
	}
}

func TestMove(t *testing.T) {
	credentials, state := t.TempDir(), t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	writeFile(t, filepath.Join(credentials, "one"), bytes.Repeat([]byte{1}, 32))
	writeFile(t, filepath.Join(credentials, "two"), []byte(hex.EncodeToString(bytes.Repeat([]byte{2}, 32))))
	lib := &fakeKeyring{}
	s, daemon := openState(t, state, lib), openState(t, state, lib)
	fill(t, s)
	for _, to := range []string{"keyring", "file", "keyring", "keyring", "file:" + filepath.Join(credentials, "a key"),
		"credential:one", "credential:two", "file", "credential:one", "keyring"} {
		source, err := ParseSource(state, to)
		if err != nil {
			t.Fatal(err)
		}
		before := keyIDs(t, s)
		if err := s.Move(t.Context(), source); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		requireSettled(t, s, before)
		if s.Describe() != source.Describe() || daemon.Describe() != source.Describe() {
			t.Errorf("to %s: it is in the %s", to, s.Describe())
		}
		requireReadable(t, state, lib, manyAccounts...)
		for _, account := range manyAccounts {
			if _, err := daemon.View(t.Context(), account); err != nil {
				t.Errorf("to %s: a process that had the key before: %v", to, err)
			}
		}
		put(t, daemon, tokenOf("new@example.com"))
		requireReadable(t, state, lib, "new@example.com")
		_, inFile := os.Stat(filepath.Join(state, keyFile))
		if kept := len(lib.texts()); (kept == 1) != (to == "keyring") || (inFile == nil) != (to == "file") {
			t.Errorf("to %s: %d keys are in the keyring, key file: %v", to, kept, inFile)
		}
		content := readFile(t, recordPath(s, ann))
		if err := s.Move(t.Context(), source); err != nil || !bytes.Equal(content, readFile(t, recordPath(s, ann))) {
			t.Errorf("to %s, where it is: %v", to, err)
		}
		if strings.HasPrefix(to, "credential") {
			if err := s.Rekey(t.Context()); err == nil || !strings.Contains(err.Error(), "Postern can not change it; move the key") {
				t.Errorf("rekey in a credential: %v", err)
			}
		}
	}
}

func TestMoveBeforeThereIsAKey(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	s := openState(t, state, lib)
	source, _ := ParseSource(state, "keyring")
	if err := s.Move(t.Context(), source); err != nil || len(lib.texts()) != 0 {
		t.Errorf("got %v, %d keys", err, len(lib.texts()))
	}
	put(t, s, tokenOf(ann))
	requireReadable(t, state, lib, ann)
	if _, err := os.Stat(filepath.Join(state, keyFile)); !errors.Is(err, fs.ErrNotExist) || len(lib.texts()) != 1 {
		t.Errorf("key file: %v, %d keys in the keyring", err, len(lib.texts()))
	}
}
