package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultCredential is the name of the systemd credential that holds the key, unless another was chosen.
const DefaultCredential = "postern-key"

// CredentialKey is a key that systemd hands to the service as a credential of this name: `LoadCredential=`
// or, encrypted for this machine, `LoadCredentialEncrypted=` (systemd.exec(5), "Credentials"). Nobody but
// the service can read it, and only while it runs. It is 32 bytes, or a key file as FileKey writes it.
// Postern never makes or changes it. A credential that is not there is ErrUnavailable, never ErrNoKey:
// it may be there for the service and only not for this process.
func CredentialKey(name string) KeySource {
	return credentialKey{name: name, dir: os.Getenv("CREDENTIALS_DIRECTORY")}
}

type credentialKey struct {
	name string
	dir  string // "" = this process was given no credentials
}

func (c credentialKey) Describe() string { return fmt.Sprintf("systemd credential %q", c.name) }

// line implements place.
func (c credentialKey) line(string) string { return "credential " + c.name }

// Key implements KeySource.
func (c credentialKey) Key(context.Context, bool) (key [32]byte, err error) {
	if c.name == "" || len(c.name) > 255 || strings.ContainsAny(c.name, "/:\\ \t\r\n") || strings.HasPrefix(c.name, ".") {
		return key, fmt.Errorf("%s: not a name that systemd gives to credentials: %w", c.Describe(), ErrUnavailable)
	}
	if c.dir == "" {
		return key, c.absent("systemd gave this process no credentials")
	}
	content, _, err := readRegular(filepath.Join(c.dir, c.name))
	if errors.Is(err, fs.ErrNotExist) {
		return key, c.absent("it is not among those that systemd gave to this process")
	}
	if err != nil {
		return key, fmt.Errorf("%s: %w; %s", c.Describe(), unavailable(err), cure(err))
	}
	if len(content) == len(key) {
		return [32]byte(content), nil
	}
	key, ok := parseKey(content)
	if !ok {
		return key, fmt.Errorf("%s: %w: it should be 32 bytes, or one line of 64 hexadecimal digits; mend what the unit loads it from",
			c.Describe(), ErrDamaged)
	}
	return key, nil
}

func (c credentialKey) absent(why string) error {
	return fmt.Errorf("%s: %w: %s; give the unit of the service a line \"LoadCredential=%s:/path/of/the/key\" under [Service] "+
		"and restart it, and run other commands by \"systemd-run --pipe --wait -p LoadCredential=%s:/path/of/the/key\"",
		c.Describe(), ErrUnavailable, why, c.name, c.name)
}

// fresh implements place: whatever key the administrator put there is the store's alone.
func (c credentialKey) fresh(ctx context.Context) error {
	_, err := c.Key(ctx, false)
	return err
}

// remove implements place. The credential stays until its line is taken out of the unit.
func (c credentialKey) remove(context.Context) error { return nil }
