package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// errKey marks errors of the key, which are not about the record that could not be opened.
var errKey = errors.New("the key of the store")

// keyHolder asks the source for the key when it is needed and keeps it.
type keyHolder struct {
	source KeySource
	turn   chan struct{} // full while somebody asks the source

	mu     sync.Mutex
	have   *sealer // nil until the source had a key
	closed bool
}

// get returns the key's sealer. With fresh it asks the source even when it has a key. empty says whether
// the source may make a new key.
func (k *keyHolder) get(ctx context.Context, fresh bool, empty func() (bool, error)) (*sealer, error) {
	if s := k.held(); s != nil && !fresh {
		return s, nil
	}
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errKey, ctx.Err())
	}
	if s := k.held(); s != nil && !fresh {
		return s, nil
	}
	create, err := empty()
	if err != nil {
		return nil, err
	}
	key, err := k.source.Key(ctx, create)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKey, err)
	}
	s := newSealer(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, errClosed
	}
	k.have = s
	return s, nil
}

func (k *keyHolder) held() *sealer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.have
}

func (k *keyHolder) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.have, k.closed = nil, true
}

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
			"bring it back from a backup, or move the store away and sign in again", p.Describe(), ErrUnavailable)
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
	fail := func(err error) ([32]byte, error) {
		return [32]byte{}, fmt.Errorf("%s: make it: %w; %s", p.Describe(), unavailable(err), cure(err))
	}
	if err := os.MkdirAll(filepath.Dir(string(p)), 0o700); err != nil {
		return fail(err)
	}
	l, err := lockFile(ctx, string(p)+lockEnding)
	if err != nil {
		return key, fmt.Errorf("%s: make it: %w", p.Describe(), err)
	}
	defer l.remove()
	if key, err = p.load(); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	rand.Read(key[:])
	content := []byte(keyFileNote + hex.EncodeToString(key[:]) + "\n")
	f, err := reserve(string(p)+tempEnding, string(p), len(content))
	if err != nil {
		return fail(err)
	}
	if err := f.commit(content, time.Time{}); err != nil {
		return fail(err)
	}
	return key, nil
}
