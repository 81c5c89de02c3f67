package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// OpenDir opens the store of a state directory, which it creates. The key is where the file store.source there
// says, or without that file in the file store.key; it is never looked for elsewhere. When a Rekey or Move was
// interrupted, the store goes on with it in the background as soon as the keys can be reached; records stay
// readable meanwhile. The caller must call Close. ErrUnavailable, ErrDamaged.
func OpenDir(state string) (*File, error) { return openDir(state, newRing()) }

func openDir(state string, r *ring) (*File, error) {
	state, err := filepath.Abs(state)
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", state, err)
	}
	c := &chosen{state: state, ring: r}
	if _, err := c.read(); err != nil {
		return nil, err
	}
	f, err := OpenFile(filepath.Join(state, storeDir), c)
	if err != nil {
		return nil, err
	}
	c.sweep()
	life, end := context.WithCancel(context.Background())
	f.end = end
	f.key.asked = func() { f.goOn(life, c) }
	return f, nil
}

// sweep removes what a process has left which died while it made a key file: the lock, and half a file beside it.
func (c *chosen) sweep() {
	for _, key := range []fileKey{c.usualFile(), c.usualFile().aside()} {
		path := string(key) + lockEnding
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if l, err := tryLockFile(path); err == nil && l != nil {
			os.Remove(string(key) + tempEnding)
			l.remove()
		}
	}
}

// Describe says where the key is, for people: "key file /…/store.key".
func (f *File) Describe() string { return f.key.source.Describe() }

// Unfinished says of an interrupted Rekey or Move which key some records still need; "" when there is none.
func (f *File) Unfinished() string {
	if c, ok := f.key.source.(*chosen); ok {
		if ch, err := c.read(); err == nil && ch.before != nil {
			return ch.before.Describe()
		}
	}
	return ""
}
