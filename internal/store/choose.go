package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// Choose says where the key of a new store will be, before there is one: of a source that ParseSource returned,
// for `postern setup`. It asks the source once, so that one that is out of reach is not chosen. Another choice
// can replace it while there is no key; then Move is the way. ErrUnavailable.
func Choose(ctx context.Context, state string, to KeySource) error {
	return choose(ctx, state, to, newRing())
}

func choose(ctx context.Context, state string, to KeySource, r *ring) error {
	f, err := openDir(state, r)
	if err != nil {
		return err
	}
	defer f.Close()
	c := f.key.source.(*chosen)
	p, err := c.own(to)
	if err != nil {
		return err
	}
	l, err := f.lockKey(ctx)
	if err != nil {
		return err
	}
	defer l.remove()
	now, err := c.read()
	if err != nil {
		return err
	}
	if now.key.line(c.state) == p.line(c.state) {
		if now.stated {
			return nil
		}
		return c.write(now)
	}
	has, err := f.hasKey(ctx, now)
	switch {
	case err != nil:
		return err
	case has:
		return fmt.Errorf("the key of the store is in the %s already; \"postern store move\" moves it", now.key.Describe())
	}
	return c.begin(ctx, p)
}

// begin makes p the place of a key that is not yet made, if it can be reached.
func (c *chosen) begin(ctx context.Context, p place) error {
	if err := vacant(ctx, p); err != nil {
		return err
	}
	return c.write(choice{key: p})
}

// CanChoose returns what Choose would say of the place for a store that has no key, and makes nothing.
// ErrUnavailable when it is out of reach; otherwise it is not free, or can not be named.
func CanChoose(ctx context.Context, state string, to KeySource) error {
	return canChoose(ctx, state, to, newRing())
}

func canChoose(ctx context.Context, state string, to KeySource, r *ring) error {
	state, err := filepath.Abs(state)
	if err != nil {
		return fmt.Errorf("state directory %s: %w", state, err)
	}
	p, err := (&chosen{state: state, ring: r}).own(to)
	if err != nil {
		return err
	}
	return vacant(ctx, p)
}

// HasKey reports whether there is a key, or are records that need one, so that only Move can change its place.
// A key that is out of reach while there is no record counts for none: nothing depends on it. ErrDamaged.
func (f *File) HasKey(ctx context.Context) (bool, error) {
	c, ok := f.key.source.(*chosen)
	if !ok {
		return false, errFixedSource
	}
	now, err := c.read()
	if err != nil {
		return false, err
	}
	return f.hasKey(ctx, now)
}

func (f *File) hasKey(ctx context.Context, now choice) (bool, error) {
	empty, err := f.empty()
	if err != nil {
		return false, fmt.Errorf("store %s: %w; %s", f.dir, err, cure(err))
	}
	switch _, err := now.key.Key(ctx, false); {
	case err == nil || !empty:
		return true, nil
	case !errors.Is(err, ErrUnavailable):
		return false, err
	}
	return false, nil
}

// KeyPlace is what ParseSource would be told for the place where the key is, or will be: "file", "keyring" …
// It is "" when the choice can not be read.
func (f *File) KeyPlace() string {
	if c, ok := f.key.source.(*chosen); ok {
		if ch, err := c.read(); err == nil {
			return NameSource(c.state, ch.key)
		}
	}
	return ""
}

// NameSource is the reverse of ParseSource. All entries of the keyring have one name.
func NameSource(state string, source KeySource) string {
	switch s := source.(type) {
	case fileKey:
		path, err := filepath.Abs(string(s))
		usual, usualErr := filepath.Abs(filepath.Join(state, keyFile))
		if err == nil && usualErr == nil && path == usual {
			return "file"
		}
		return "file:" + path
	case keyringKey:
		return "keyring"
	case credentialKey:
		if s.name == DefaultCredential {
			return "credential"
		}
		return "credential:" + s.name
	}
	return ""
}
