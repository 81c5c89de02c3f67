package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openState opens a state directory whose keyring is lib.
func openState(t testing.TB, state string, lib library) *File {
	t.Helper()
	s, err := openDir(state, fakeRing(lib))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// eventually waits for what another goroutine or process brings about.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after a minute", what)
		}
	}
}

func chooseKeyring(t testing.TB, state string, lib library) {
	t.Helper()
	source, err := ParseSource(state, "keyring")
	if err == nil {
		err = choose(t.Context(), state, source, fakeRing(lib))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func choiceOf(t testing.TB, state string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(string(readFile(t, filepath.Join(state, choiceFile)))) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "; ")
}

// requireReadable holds that another process finds every record as it was put.
func requireReadable(t testing.TB, state string, lib library, accounts ...string) {
	t.Helper()
	s := openState(t, state, lib)
	defer s.Close()
	for _, account := range accounts {
		r, err := s.View(t.Context(), account)
		if err != nil {
			t.Errorf("%s: %v", account, err)
		} else if r.Token == nil || r.Token.Refresh.Reveal() != "refresh of "+account {
			t.Errorf("%s: another record: %#v", account, r)
		}
	}
}

func tokenOf(account string) Record {
	return Record{Account: account, Token: &Token{Refresh: NewSecret("refresh of " + account)}}
}

// Until somebody chooses, the key is in the file where it always was, and the first key writes that down.
func TestOpenDirDefault(t *testing.T) {
	state := t.TempDir()
	put(t, openStore(t, filepath.Join(state, storeDir), FileKey(filepath.Join(state, keyFile))), tokenOf(ann))
	s := openState(t, state, nil)
	if _, err := s.View(t.Context(), ann); err != nil {
		t.Errorf("a store without a choice: %v", err)
	}
	if got, want := s.Describe(), "key file "+filepath.Join(state, keyFile); got != want {
		t.Errorf("got %q; want %q", got, want)
	}

	state = filepath.Join(t.TempDir(), "new")
	put(t, openState(t, state, nil), tokenOf(ann))
	if got := choiceOf(t, state); got != "key: file store.key" {
		t.Errorf("a new store: %q", got)
	}
	if info, err := os.Stat(filepath.Join(state, choiceFile)); err != nil || readableByOthers(info.Mode()) {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	moved := state + ".moved"
	if err := os.Rename(state, moved); err != nil {
		t.Fatal(err)
	}
	requireReadable(t, moved, nil, ann)
}

// The keys of other places are never a way out.
func TestNeverSwitchedSilently(t *testing.T) {
	t.Parallel()
	lib := &fakeKeyring{}
	refused := errors.New("locked")
	state := t.TempDir()
	chooseKeyring(t, state, lib)
	put(t, openState(t, state, lib), tokenOf(ann))
	before := choiceOf(t, state)
	if err := fileKey(filepath.Join(state, keyFile)).fresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	lib.answer(func(string) error { return refused })
	s := openState(t, state, lib)
	requireRefused(t, s, ErrUnavailable)
	err := s.Update(t.Context(), bob, func(*Record) error { t.Error("change ran"); return nil })
	requireUnavailableSaying(t, err, "keyring")
	for name, err := range map[string]error{
		"rekey": s.Rekey(t.Context()), "move": s.Move(t.Context(), FileKey(filepath.Join(state, "other.key"))),
	} {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now := choiceOf(t, state); now != before {
		t.Errorf("the choice is %q; it was %q", now, before)
	}
	lib.answer(nil)
	if _, err := s.View(t.Context(), ann); err != nil {
		t.Errorf("unlocked: %v", err)
	}
}

// An entry that is gone is not a reason for a new key while there is a record, and is one when there is none.
func TestKeyringEntryGone(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	chooseKeyring(t, state, lib)
	s := openState(t, state, lib)
	put(t, s, tokenOf(ann))
	kept := lib.entries
	lib.entries = nil
	other := openState(t, state, lib)
	requireRefused(t, other, ErrUnavailable)
	err := s.Update(t.Context(), bob, func(*Record) error { t.Error("change ran"); return nil })
	if !errors.Is(err, ErrNoKey) || len(lib.texts()) != 0 {
		t.Errorf("got %v, %d keys", err, len(lib.texts()))
	}
	lib.entries = kept
	requireReadable(t, state, lib, ann)
	lib.entries = nil
	if err := s.Delete(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	put(t, other, tokenOf(bob))
	requireReadable(t, state, lib, bob)
}

// A first write that hangs and comes late must not put another key in the place of one that is in use.
func TestLateFirstKey(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	chooseKeyring(t, state, lib)
	s := openState(t, state, lib)
	thaw := make(chan struct{})
	lib.answer(func(what string) error {
		if what == "set" {
			<-thaw
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { failed <- s.Update(ctx, ann, func(*Record) error { t.Error("change ran"); return nil }) }()
	eventually(t, "a write", func() bool {
		lib.mu.Lock()
		defer lib.mu.Unlock()
		n := len(lib.asked)
		return n > 0 && lib.asked[n-1] == "set"
	})
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	lib.answer(nil)
	put(t, s, tokenOf(ann))
	close(thaw)
	eventually(t, "the late write", func() bool { return len(s.key.source.(*chosen).ring.slots) == 0 })
	requireReadable(t, state, lib, ann)
}

func TestChoose(t *testing.T) {
	t.Parallel()
	lib := &fakeKeyring{}
	credentials := t.TempDir()
	writeFile(t, filepath.Join(credentials, "given"), make([]byte, 32))
	absent := credentialKey{"absent", credentials}
	locked := &fakeKeyring{before: func(string) error { return errors.New("locked") }}
	entry := keyringKey{service: "postern", user: "taken"}
	lib.Set("postern", "taken", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	for name, test := range map[string]struct {
		to     KeySource
		lib    library
		class  error
		says   string
		choice string
	}{
		"file":                 {nil, lib, nil, "", "key: file store.key"},
		"another file":         {fileKey(filepath.Join(credentials, "my key")), lib, nil, "", "key: file " + filepath.Join(credentials, "my key")},
		"keyring":              {keyringKey{service: "postern", user: "a"}, lib, nil, "", "key: keyring postern a"},
		"locked keyring":       {keyringKey{service: "postern", user: "a"}, locked, ErrUnavailable, "keyring", ""},
		"entry in use":         {entry, lib, nil, "something else", ""},
		"file in use":          {fileKey(filepath.Join(credentials, "given")), lib, nil, "something else", ""},
		"credential, absent":   {absent, lib, ErrUnavailable, "LoadCredential=absent:", ""},
		"unnameable":           {fileKey("/a\nkey: file b"), lib, nil, "can not name", ""},
		"unnameable entry":     {keyringKey{service: "a b", user: ""}, lib, nil, "can not name", ""},
		"source of the caller": {fixedKey{}, lib, nil, "can not name", ""},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			if test.to == nil {
				test.to = FileKey(filepath.Join(state, keyFile))
			}
			err := choose(t.Context(), state, test.to, fakeRing(test.lib))
			if test.choice != "" {
				if err != nil || choiceOf(t, state) != test.choice {
					t.Fatalf("got %v", err)
				}
				if err := choose(t.Context(), state, test.to, fakeRing(test.lib)); err != nil {
					t.Errorf("again: %v", err)
				}
				s := openState(t, state, test.lib)
				put(t, s, tokenOf(ann))
				requireReadable(t, state, test.lib, ann)
				err := choose(t.Context(), state, fileKey(filepath.Join(state, "third.key")), fakeRing(test.lib))
				if err == nil || !strings.Contains(err.Error(), `"postern store move"`) {
					t.Errorf("another choice: %v", err)
				}
				return
			}
			if err == nil || test.class != nil && !errors.Is(err, test.class) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v; want %v saying %q", err, test.class, test.says)
			}
			if _, err := os.Stat(filepath.Join(state, choiceFile)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a choice was written: %v", err)
			}
		})
	}
}

// A choice that turned out to be wrong can be changed as long as nothing depends on it.
func TestChooseAgain(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	chooseKeyring(t, state, lib)
	lib.answer(func(string) error { return errors.New("locked") })
	if err := choose(t.Context(), state, FileKey(filepath.Join(state, keyFile)), fakeRing(lib)); err != nil {
		t.Fatal(err)
	}
	put(t, openState(t, state, lib), tokenOf(ann))
	requireReadable(t, state, lib, ann)
}

func TestRelativePaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, choice := range map[string]string{"file": "key: file store.key", "file:other.key": "key: file " + abs(t, "other.key")} {
		source, err := ParseSource("state", text)
		if err == nil {
			err = choose(t.Context(), "state", source, fakeRing(&fakeKeyring{}))
		}
		if err != nil || choiceOf(t, "state") != choice {
			t.Errorf("%s: %v; want %q", text, err, choice)
		}
		if err := os.RemoveAll("state"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseSource(t *testing.T) {
	state := t.TempDir()
	for text, want := range map[string]string{
		"file": "key file " + filepath.Join(state, "store.key"), "file:/a/b c": "key file " + abs(t, "/a/b c"),
		"keyring": `keyring entry "postern/store-`, "credential": `systemd credential "postern-key"`,
		"credential:x": `systemd credential "x"`,
		"":             "", "file:": "", "keyring:x": "", "credential:": "", "Keyring": "", "postgres://": "",
	} {
		source, err := ParseSource(state, text)
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), "use file, file:PATH, keyring")):
			t.Errorf("%q: got %v", text, err)
		case want != "" && (err != nil || !strings.HasPrefix(source.Describe(), want)):
			t.Errorf("%q: got %v, %v; want %q", text, source, err, want)
		}
	}
	a, _ := ParseSource(state, "keyring")
	b, _ := ParseSource(state, "keyring")
	if a.Describe() == b.Describe() {
		t.Error("two stores share an entry")
	}
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChoiceGarbled(t *testing.T) {
	for _, content := range []string{
		"", "# nothing\n", "key:\n", "key: file\n", "key: keyring postern\n", "key: tpm 0x81000001\n", "before: file a\n",
		"key: file a\nkey: file b\n", "key: file a\nbefore: file b\nbefore: file c\n", "key: file a\nkey2: file b\n", "\x00\x00\x00",
	} {
		state := t.TempDir()
		path := filepath.Join(state, choiceFile)
		writeFile(t, path, []byte(content))
		if _, err := OpenDir(state); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "; restore") {
			t.Errorf("%q: got %v", content, err)
		}
		if string(readFile(t, path)) != content {
			t.Errorf("%q: it was changed", content)
		}
	}
}

// While the program runs the choice can become unreadable, too.
func TestChoiceLostWhileOpen(t *testing.T) {
	state := t.TempDir()
	s := openState(t, state, nil)
	put(t, s, tokenOf(ann))
	writeFile(t, filepath.Join(state, choiceFile), []byte("key: file\n"))
	if _, err := s.View(t.Context(), ann); err != nil {
		t.Errorf("a key that is known: %v", err)
	}
	err := s.Update(t.Context(), bob, func(*Record) error { t.Error("change ran"); return nil })
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("new record: %v", err)
	}
	if got := s.Describe(); !strings.Contains(got, choiceFile) {
		t.Error(got)
	}
}

// With the choice lost, the default is not right; the error says what may be missing.
func TestChoiceLost(t *testing.T) {
	lib, state := &fakeKeyring{}, t.TempDir()
	chooseKeyring(t, state, lib)
	put(t, openState(t, state, lib), tokenOf(ann))
	path := filepath.Join(state, choiceFile)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s := openState(t, state, lib)
	requireRefused(t, s, ErrUnavailable)
	if _, err := s.View(t.Context(), ann); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func FuzzChoice(f *testing.F) {
	f.Add("key: file store.key\nbefore: keyring postern store-x\nnext: file a\n")
	f.Add("# note\r\nkey: credential postern-key\r\n")
	f.Fuzz(func(t *testing.T, content string) {
		c := &chosen{state: t.TempDir(), ring: fakeRing(&fakeKeyring{})}
		writeFile(t, c.path(), []byte(content))
		ch, err := c.read()
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if _, err := c.own(ch.key); err != nil {
			return // a hand wrote it; no choice of ours looks like this
		}
		if err := c.write(ch); err != nil {
			t.Fatal(err)
		}
		if again, err := c.read(); err != nil || again.lines(c.state) != ch.lines(c.state) {
			t.Fatalf("%q: read back %v, %v", content, again, err)
		}
	})
}

// What a process that was killed while it made the key file leaves goes with the next one; a lock that is held stays.
func TestLockOfTheKeyFileIsSwept(t *testing.T) {
	for _, name := range []string{keyFile, keyFile + ".before"} {
		state := t.TempDir()
		path := filepath.Join(state, name) + lockEnding
		l, err := tryLockFile(path)
		if err != nil || l == nil {
			t.Fatal(err)
		}
		temp := filepath.Join(state, name) + tempEnding
		if err := os.WriteFile(temp, []byte("half a key"), 0o600); err != nil {
			t.Fatal(err)
		}
		openState(t, state, nil)
		for _, path := range []string{path, temp} {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("while the lock is held: %v", err)
			}
		}
		l.unlock()
		openState(t, state, nil)
		for _, path := range []string{path, temp} {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%s is still there", path)
			}
		}
	}
}
