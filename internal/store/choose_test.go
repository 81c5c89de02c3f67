package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Looking at a place makes nothing, whether it could be had or not.
func TestCanChoose(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	open, locked := &fakeKeyring{}, &fakeKeyring{before: func(string) error { return errors.New("locked") }}
	for name, test := range map[string]struct {
		place string
		lib   library
		says  string
	}{
		"file":           {"file", open, ""},
		"keyring":        {"keyring", open, ""},
		"locked keyring": {"keyring", locked, "keyring"},
		"credential":     {"credential:not-there", open, "no credentials"},
	} {
		source, err := ParseSource(state, test.place)
		if err != nil {
			t.Fatal(err)
		}
		err = canChoose(t.Context(), state, source, fakeRing(test.lib))
		if test.says == "" && err != nil || test.says != "" && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v; want %q", name, err, test.says)
		}
	}
	if _, err := os.Stat(state); !os.IsNotExist(err) {
		t.Errorf("the state directory: %v", err)
	}
	if n := len(open.texts()); n != 0 {
		t.Errorf("%d keys in the keyring", n)
	}
}

func TestHasKey(t *testing.T) {
	t.Parallel()
	lib, state := &fakeKeyring{}, t.TempDir()
	s := openState(t, state, lib)
	want := func(when string, want bool, place string) {
		t.Helper()
		if has, err := s.HasKey(t.Context()); err != nil || has != want {
			t.Errorf("%s: %v, %v", when, has, err)
		}
		if got := s.KeyPlace(); got != place {
			t.Errorf("%s: the key is in %q; want %q", when, got, place)
		}
	}
	want("new", false, "file")
	chooseKeyring(t, state, lib)
	want("chosen", false, "keyring")
	put(t, s, tokenOf(ann))
	want("in use", true, "keyring")
	lib.answer(func(string) error { return errors.New("locked") })
	want("out of reach, with a record", true, "keyring")
	if err := s.Delete(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	want("out of reach, without one", false, "keyring")
	lib.answer(nil)
	want("without a record", true, "keyring")
	writeFile(t, filepath.Join(state, choiceFile), []byte("key:\n"))
	if has, err := s.HasKey(t.Context()); !errors.Is(err, ErrDamaged) || has || s.KeyPlace() != "" {
		t.Errorf("garbled: %v, %v", has, err)
	}
}

func TestNameSource(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	for _, name := range []string{"file", "file:" + filepath.Join(state, "my key"), "keyring", "credential", "credential:x"} {
		source, err := ParseSource(state, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := NameSource(state, source); got != name {
			t.Errorf("%q came back as %q", name, got)
		}
	}
	source, err := ParseSource(state, "file:"+filepath.Join(state, keyFile))
	if err != nil || NameSource(state, source) != "file" {
		t.Errorf("the usual file by its path: %v", err)
	}
}
