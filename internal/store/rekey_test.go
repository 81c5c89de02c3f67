package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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

// A process that asked for the key before the change, and has not yet written the record that it makes, must
// not end up with a record that nobody can open.
func TestNewRecordDuringRekey(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"rekey", "move"} {
		t.Run(kind, func(t *testing.T) {
			lib, state := &fakeKeyring{}, t.TempDir()
			daemon, s := openState(t, state, lib), openState(t, state, lib)
			put(t, s, tokenOf(ann))
			rekeyed := make(chan error, 1)
			err := daemon.Update(t.Context(), bob, func(r *Record) error {
				go func() {
					if kind == "rekey" {
						rekeyed <- s.Rekey(t.Context())
						return
					}
					source, _ := ParseSource(state, "keyring")
					rekeyed <- s.Move(t.Context(), source)
				}()
				// It can not be seen that somebody waits for this lock; whoever does not is done long before.
				began := time.Now()
				eventually(t, "the change", func() bool { return len(rekeyed) != 0 || time.Since(began) > 200*time.Millisecond })
				if len(rekeyed) != 0 {
					t.Error("the change did not wait for a record that is being made")
				}
				*r = tokenOf(bob)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-rekeyed; err != nil {
				t.Fatal(err)
			}
			requireReadable(t, state, lib, ann, bob)
			requireSettled(t, s, nil)
		})
	}
}

// A record that was read before another process sealed it anew, and whose key is gone since, is read again.
func TestReadAcrossRekey(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	s := openState(t, state, nil)
	put(t, s, tokenOf(ann))
	other := openState(t, state, nil)
	slow := &slowKey{KeySource: other.key.source, before: func() {
		if err := s.Rekey(context.Background()); err != nil {
			t.Error(err)
		}
	}}
	other.key.source = slow
	for range 3 {
		slow.armed = true
		other.key.have = nil
		other.forget(ann)
		if r, err := other.View(t.Context(), ann); err != nil || r.Token.Refresh.Reveal() != "refresh of "+ann || slow.armed {
			t.Errorf("got %#v, %v", r, err)
		}
	}
}

// slowKey lets something happen before it gives its key.
type slowKey struct {
	KeySource
	before func()
	armed  bool
}

func (k *slowKey) Key(ctx context.Context, create bool) ([32]byte, error) {
	if k.armed {
		k.armed = false
		k.before()
	}
	return k.KeySource.Key(ctx, create)
}

// Many processes that change the key at once do it one after the other.
func TestRekeyAtOnce(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	s := openState(t, state, lib)
	fill(t, s)
	done := make(chan error)
	const many = 6
	for i := range many {
		other := openState(t, state, lib)
		go func() {
			if i%2 == 0 {
				done <- other.Rekey(t.Context())
				return
			}
			source, _ := ParseSource(state, "keyring")
			done <- other.Move(t.Context(), source)
		}()
	}
	for range many {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	requireSettled(t, s, nil)
	requireReadable(t, state, lib, manyAccounts...)
	if len(lib.texts()) != 1 {
		t.Errorf("%d keys are in the keyring", len(lib.texts()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Rekey(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
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
