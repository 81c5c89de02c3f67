package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCredentialKey(t *testing.T) {
	dir := t.TempDir()
	want := [32]byte(bytes.Repeat([]byte{0xab}, 32))
	for name, content := range map[string]string{
		"bytes": string(want[:]), "text": keyFileNote + strings.Repeat("ab", 32) + "\n",
		"short": string(want[:31]), "newline": string(want[:]) + "\n", "empty": "",
	} {
		writeFile(t, filepath.Join(dir, name), []byte(content))
	}
	for name, class := range map[string]error{
		"bytes": nil, "text": nil, "short": ErrDamaged, "newline": ErrDamaged, "empty": ErrDamaged, "absent": ErrUnavailable,
		"": ErrUnavailable, "../" + filepath.Base(dir) + "/bytes": ErrUnavailable, "..": ErrUnavailable,
	} {
		for _, create := range []bool{true, false} {
			key, err := credentialKey{name, dir}.Key(t.Context(), create)
			if !errors.Is(err, class) || errors.Is(err, ErrNoKey) || err == nil && key != want {
				t.Errorf("%q: got %x, %v; want %v", name, key, err, class)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a credential was made: %v", err)
	}
}

func TestCredentialAbsentSaysHow(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		_, err := credentialKey{"postern-key", dir}.Key(t.Context(), true)
		requireUnavailableSaying(t, err, `"LoadCredential=postern-key:`)
	}
}

func TestCredentialsDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	writeFile(t, filepath.Join(dir, DefaultCredential), make([]byte, 32))
	if _, err := CredentialKey(DefaultCredential).Key(t.Context(), false); err != nil {
		t.Error(err)
	}
}
