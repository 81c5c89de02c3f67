package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Names in the state directory.
const (
	storeDir   = "store"
	keyFile    = "store.key"
	choiceFile = "store.source"
)

// place is a key source that the choice file can name.
type place interface {
	KeySource
	// line is how the choice file of this state directory names it.
	line(state string) string
	// fresh gives the place a key of the store's own. There must be none.
	fresh(ctx context.Context) error
	// remove removes the key. It is no error when there is none.
	remove(ctx context.Context) error
}

// vacant holds that the place can be reached and has no key of something else, which a later Move would remove.
func vacant(ctx context.Context, p place) error {
	_, err := p.Key(ctx, false)
	if _, given := p.(credentialKey); given {
		return err
	}
	switch {
	case errors.Is(err, ErrNoKey):
		return nil
	case err == nil, errors.Is(err, ErrDamaged):
		return taken(p)
	}
	return err
}

var errTaken = errors.New("is there already and may belong to something else")

func taken(p place) error {
	return fmt.Errorf("%s %w; move it away, or choose another place", p.Describe(), errTaken)
}

// line implements place. The state directory can be moved as a whole, with a key file in it.
func (p fileKey) line(state string) string {
	if inside, err := filepath.Rel(state, string(p)); err == nil && filepath.IsLocal(inside) {
		return "file " + filepath.ToSlash(inside)
	}
	return "file " + string(p)
}

// ParseSource returns the key source that a person names: "file" (store.key in the state directory),
// "file:PATH", "keyring" (a new entry of its own), "credential" (DefaultCredential) or "credential:NAME".
func ParseSource(state, text string) (KeySource, error) {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case kind == "file" && !named:
		return FileKey(filepath.Join(state, keyFile)), nil
	case kind == "file" && name != "":
		path, err := filepath.Abs(name)
		return FileKey(path), err
	case kind == "keyring" && !named:
		return KeyringKey(keyringService, newEntry()), nil
	case kind == "credential" && !named:
		return CredentialKey(DefaultCredential), nil
	case kind == "credential" && name != "":
		return CredentialKey(name), nil
	}
	return nil, fmt.Errorf("%q is no place for the key of the store: use file, file:PATH, keyring, credential or credential:NAME", text)
}

// newEntry names an entry of the keyring. Every key gets one of its own: an entry is never overwritten, so a
// write that hung and comes late destroys nothing, and two stores of one user never meet.
func newEntry() string { return "store-" + strings.ToLower(rand.Text()[:10]) }

// choice is where the key is.
type choice struct {
	key    place
	before place // nil unless records may still be sealed with the key that is there
	next   place // nil unless the next key is being made there; it is not yet in use
	stated bool  // a choice file says so; otherwise it is the default
}

// lines is what a choice file says; two choices with the same are equal.
func (c choice) lines(state string) (lines [3]string) {
	for i, p := range []place{c.key, c.before, c.next} {
		if p != nil {
			lines[i] = p.line(state)
		}
	}
	return lines
}

// chosen is the key source that the choice file names. It looks again whenever the key is asked for: another
// process may have moved the key.
type chosen struct {
	state string // the state directory
	ring  *ring
	last  atomic.Pointer[choice] // as it was read last
}

func (c *chosen) path() string { return filepath.Join(c.state, choiceFile) }

// usualFile is the key file of a state directory that names no other place.
func (c *chosen) usualFile() fileKey { return fileKey(filepath.Join(c.state, keyFile)) }

// read returns the choice; ErrUnavailable, ErrDamaged. Without a choice file it is the key file in the state
// directory.
func (c *chosen) read() (choice, error) {
	content, _, err := readRegular(c.path())
	if errors.Is(err, fs.ErrNotExist) {
		return choice{key: c.usualFile()}, nil
	}
	if err != nil {
		return choice{}, fmt.Errorf("%s: %w; %s", c.path(), unavailable(err), cure(err))
	}
	ch := choice{stated: true}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, ": ")
		p := c.place(rest)
		switch {
		case word == "key" && ch.key == nil && p != nil:
			ch.key = p
		case word == "before" && ch.before == nil && p != nil:
			ch.before = p
		case word == "next" && ch.next == nil && p != nil:
			ch.next = p
		default:
			return choice{}, c.garbled(fmt.Sprintf("%q means nothing to this version of Postern", line))
		}
	}
	if ch.key == nil {
		return choice{}, c.garbled("it does not say where the key is")
	}
	c.last.Store(&ch)
	return ch, nil
}

func (c *chosen) garbled(why string) error {
	return fmt.Errorf("%s: %w: %s; restore it from a backup, or write into it where the key is: "+
		"\"key: file %s\", \"key: keyring SERVICE ENTRY\" or \"key: credential NAME\"", c.path(), ErrDamaged, why, keyFile)
}

// place is the reverse of its method line; nil when the text means nothing.
func (c *chosen) place(line string) place {
	var p place
	switch kind, name, _ := strings.Cut(line, " "); kind {
	case "file":
		if name == "" {
			return nil
		}
		path := filepath.FromSlash(name)
		if !filepath.IsAbs(path) {
			path = filepath.Join(c.state, path)
		}
		p = fileKey(path)
	case "keyring":
		service, entry, ok := strings.Cut(name, " ")
		if !ok || service == "" || entry == "" {
			return nil
		}
		p = keyringKey{ring: c.ring, service: service, user: entry}
	case "credential":
		if name == "" {
			return nil
		}
		p = CredentialKey(name).(credentialKey)
	default:
		return nil
	}
	return p
}

// own returns the source as a place of this store, if the choice file can name it.
func (c *chosen) own(source KeySource) (place, error) {
	if file, ok := source.(fileKey); ok {
		path, err := filepath.Abs(string(file))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source.Describe(), err)
		}
		source = fileKey(path)
	}
	if p, ok := source.(place); ok {
		line := p.line(c.state)
		clean := line == strings.TrimSpace(line) && !strings.ContainsAny(line, "\r\n\x00")
		if again := c.place(line); clean && again != nil && again.line(c.state) == line {
			return again, nil
		}
	}
	return nil, fmt.Errorf("%s: the file %s can not name this place", source.Describe(), c.path())
}

// write makes the choice durable. The caller has the lock of the key.
func (c *chosen) write(ch choice) error {
	var text strings.Builder
	notes := [...]struct{ note, word string }{
		{"Where the key of Postern's store is. \"postern store move\" changes it.", "key"},
		{"Some records are still sealed with this one; Postern goes on with them.", "before"},
		{"The next key is being made here. No record is sealed with it; Postern removes it again if nothing comes of it.", "next"},
	}
	for i, line := range ch.lines(c.state) {
		if line != "" {
			fmt.Fprintf(&text, "# %s\n%s: %s\n", notes[i].note, notes[i].word, line)
		}
	}
	p, err := reserve(c.path()+tempEnding, c.path(), text.Len())
	if err == nil {
		err = p.commit([]byte(text.String()), time.Time{})
	}
	if err != nil {
		return fmt.Errorf("%s: %w; %s", c.path(), unavailable(err), cure(err))
	}
	return nil
}

// Describe implements KeySource.
func (c *chosen) Describe() string {
	ch, err := c.read()
	if err != nil {
		return "place that " + c.path() + " should name"
	}
	return ch.key.Describe()
}

// Key implements KeySource. With create the caller has the lock of the key.
func (c *chosen) Key(ctx context.Context, create bool) ([32]byte, error) {
	key, err := c.ask(func(ch choice) ([32]byte, error) {
		key, err := ch.key.Key(ctx, false)
		if !ch.stated && errors.Is(err, ErrNoKey) {
			err = fmt.Errorf("%w; nor is there a file %s that names another place", err, c.path())
		}
		return key, err
	})
	if create && errors.Is(err, ErrNoKey) {
		return c.create(ctx)
	}
	return key, err
}

// create makes the first key, and leaves its place written down.
func (c *chosen) create(ctx context.Context) (key [32]byte, err error) {
	ch, err := c.read()
	if err != nil {
		return key, err
	}
	if entry, ok := ch.key.(keyringKey); ok {
		// The choice names it only once the key is in it: a write that hung and comes late must not put
		// another key in the place of one that is in use.
		made := entry.another()
		if err := made.fresh(ctx); err != nil {
			return key, err
		}
		ch = choice{key: made}
	}
	if err := c.write(ch); err != nil {
		return key, err
	}
	return ch.key.Key(ctx, true)
}

// Before implements earlier.
func (c *chosen) Before(ctx context.Context) ([32]byte, error) {
	return c.ask(func(ch choice) ([32]byte, error) {
		if ch.before == nil {
			return [32]byte{}, ErrNoKey
		}
		return ch.before.Key(ctx, false)
	})
}

// ask asks the place that the choice names, and when that fails and the choice has changed meanwhile, again.
func (c *chosen) ask(question func(choice) ([32]byte, error)) (key [32]byte, err error) {
	for {
		ch, err := c.read()
		if err != nil {
			return key, err
		}
		key, err = question(ch)
		if err == nil {
			return key, nil
		}
		if now, readErr := c.read(); readErr != nil || now.lines(c.state) == ch.lines(c.state) || !errors.Is(err, ErrUnavailable) {
			return key, err
		}
	}
}
