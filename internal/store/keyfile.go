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
	"strings"
	"time"
)

// FileKey is a key in a file of mode 0600, made when the store is first written. It protects copies of the
// store directory alone, such as a backup, not against whoever can read the user's files.
func FileKey(path string) KeySource { return fileKey(path) }

type fileKey string

func (p fileKey) Describe() string { return "key file " + string(p) }

const keyFileNote = "# The key of Postern's store. Without it the stored sign-ins can not be read;\n" +
	"# with it everybody can read them. Keep a copy apart from the store.\n"

// Key implements KeySource.
func (p fileKey) Key(ctx context.Context, create bool) ([32]byte, error) {
	key, err := p.load()
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if !create {
		return key, fmt.Errorf("%s is missing: %w, and there are records that only it can open; "+
			"bring it back from a backup, or move the store away and sign in again", p.Describe(), ErrNoKey)
	}
	return p.create(ctx)
}

// load returns an error that is fs.ErrNotExist when there is no file.
func (p fileKey) load() (key [32]byte, err error) {
	content, info, err := readRegular(string(p))
	if errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err != nil {
		return key, fmt.Errorf("%s: %w; %s", p.Describe(), unavailable(err), cure(err))
	}
	if readableByOthers(info.Mode()) {
		return key, fmt.Errorf("%s: %w: other users may read it (mode %04o); run \"chmod 600 %s\"",
			p.Describe(), ErrUnavailable, info.Mode().Perm(), string(p))
	}
	key, ok := parseKey(content)
	if !ok {
		return key, fmt.Errorf("%s: %w: it should hold one line of 64 hexadecimal digits; bring it back from a backup",
			p.Describe(), ErrDamaged)
	}
	return key, nil
}

func parseKey(content []byte) (key [32]byte, ok bool) {
	var found bool
	for line := range strings.Lines(string(bytes.TrimPrefix(content, []byte("\ufeff")))) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		b, err := hex.DecodeString(line)
		if err != nil || len(b) != len(key) || found {
			return [32]byte{}, false
		}
		key, found = [32]byte(b), true
	}
	return key, found
}

// create makes the key file, unless another process has been quicker, and returns what it holds.
func (p fileKey) create(ctx context.Context) (key [32]byte, err error) {
	err = p.locked(ctx, func() error {
		if key, err = p.load(); errors.Is(err, fs.ErrNotExist) {
			key = newKey()
			return p.write(key)
		}
		return err
	})
	return key, err
}

// fresh implements place.
func (p fileKey) fresh(ctx context.Context) error { return p.keep(ctx, newKey()) }

// keep makes the key file with this key. It replaces no other key.
func (p fileKey) keep(ctx context.Context, key [32]byte) error {
	return p.locked(ctx, func() error {
		switch old, err := p.load(); {
		case errors.Is(err, fs.ErrNotExist):
			return p.write(key)
		case errors.Is(err, ErrUnavailable):
			return err
		case err == nil && old == key:
			return nil
		}
		return taken(p)
	})
}

// replace puts the key in the present one's place.
func (p fileKey) replace(ctx context.Context, key [32]byte) error {
	return p.locked(ctx, func() error { return p.write(key) })
}

// remove implements place.
func (p fileKey) remove(context.Context) error {
	err := os.Remove(string(p))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(string(p)))
	}
	if err != nil {
		return fmt.Errorf("%s: %w; %s", p.Describe(), unavailable(err), cure(err))
	}
	return nil
}

// locked keeps other processes from making the key file meanwhile.
func (p fileKey) locked(ctx context.Context, do func() error) error {
	if err := os.MkdirAll(filepath.Dir(string(p)), 0o700); err != nil {
		return p.notMade(err)
	}
	l, err := lockFile(ctx, string(p)+lockEnding)
	if err != nil {
		return fmt.Errorf("%s: make it: %w", p.Describe(), err)
	}
	defer l.remove()
	return do()
}

func (p fileKey) write(key [32]byte) error {
	content := []byte(keyFileNote + hex.EncodeToString(key[:]) + "\n")
	f, err := reserve(string(p)+tempEnding, string(p), len(content))
	if err == nil {
		err = f.commit(content, time.Time{})
	}
	if err != nil {
		return p.notMade(err)
	}
	return nil
}

func (p fileKey) notMade(err error) error {
	return fmt.Errorf("%s: make it: %w; %s", p.Describe(), unavailable(err), cure(err))
}
