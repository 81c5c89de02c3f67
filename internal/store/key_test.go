package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestFileKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "store.key")
	first, err := FileKey(path).Key(t.Context(), true)
	if err != nil || first == [32]byte{} {
		t.Fatalf("got %x, %v", first, err)
	}
	for _, create := range []bool{true, false} {
		if again, err := FileKey(path).Key(t.Context(), create); err != nil || again != first {
			t.Errorf("got %x, %v; want %x", again, err, first)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("besides the key: %v", left)
	}
	if FileKey(path).Describe() != "key file "+path {
		t.Error(FileKey(path).Describe())
	}
}

func TestFileKeyMissing(t *testing.T) {
	s := newFile(t)
	put(t, s, fullRecord())
	key := s.dir + ".key"
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, s.dir, FileKey(key))
	requireRefused(t, again, ErrUnavailable)
	err := again.Update(t.Context(), bob, func(*Record) error { t.Error("change ran"); return nil })
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "key file "+key+" is missing") {
		t.Errorf("new record: %v", err)
	}
	if _, err := os.Stat(key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a new key was made: %v", err)
	}
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	if _, err := again.View(t.Context(), ann); err != nil {
		t.Errorf("after the key came back: %v", err)
	}
}

func TestFileKeyRefused(t *testing.T) {
	good := strings.Repeat("0123456789abcdef", 4)
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
		class   error
		says    string
	}{
		"empty":             {"", 0o600, ErrDamaged, "64 hexadecimal digits"},
		"comment only":      {keyFileNote, 0o600, ErrDamaged, ""},
		"short":             {good[:62], 0o600, ErrDamaged, ""},
		"long":              {good + "00", 0o600, ErrDamaged, ""},
		"two keys":          {good + "\n" + good, 0o600, ErrDamaged, ""},
		"not hexadecimal":   {"z" + good[1:], 0o600, ErrDamaged, ""},
		"readable by group": {good, 0o640, ErrUnavailable, `run "chmod 600 `},
		"readable by all":   {good, 0o604, ErrUnavailable, `run "chmod 600 `},
		"writable by group": {good, 0o620, ErrUnavailable, `run "chmod 600 `},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && test.mode != 0o600 {
				return // no such modes there
			}
			path := filepath.Join(t.TempDir(), "store.key")
			writeFile(t, path, []byte(test.content))
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			for _, create := range []bool{true, false} {
				_, err := FileKey(path).Key(t.Context(), create)
				if !errors.Is(err, test.class) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v; want %v with %q", err, test.class, test.says)
				}
			}
			if got := readFile(t, path); string(got) != test.content {
				t.Error("the key file was changed")
			}
		})
	}
}

func TestFileKeyText(t *testing.T) {
	want := [32]byte(bytes.Repeat([]byte{0xab}, 32))
	for _, text := range []string{
		strings.Repeat("ab", 32), strings.Repeat("AB", 32) + "\r\n", "\ufeff# note\n\n  " + strings.Repeat("aB", 32) + "  \n# end",
	} {
		if got, ok := parseKey([]byte(text)); !ok || got != want {
			t.Errorf("%q: got %x, %v", text, got, ok)
		}
	}
}

// Processes that start together agree on one key.
func TestFileKeyRace(t *testing.T) {
	for range 5 {
		path := filepath.Join(t.TempDir(), "store.key")
		var gates []io.Closer
		var outs [4]bytes.Buffer
		var waits []func() error
		for i := range outs {
			cmd := child(t, "key", path)
			cmd.Stdout = &outs[i]
			gate, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			gates, waits = append(gates, gate), append(waits, cmd.Wait)
		}
		for _, gate := range gates {
			gate.Close()
		}
		for _, wait := range waits {
			if err := wait(); err != nil {
				t.Fatal(err)
			}
		}
		key, err := FileKey(path).Key(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		for i := range outs {
			if got := strings.TrimSpace(outs[i].String()); got != hex.EncodeToString(key[:]) {
				t.Errorf("process %d has the key %s; the file %x", i, got, key)
			}
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte(keyFileNote + strings.Repeat("ab", 32)))
	f.Add([]byte("\ufeff"))
	f.Fuzz(func(t *testing.T, content []byte) {
		key, ok := parseKey(content)
		if !ok && key != [32]byte{} {
			t.Error("a key that is not ok")
		}
	})
}
