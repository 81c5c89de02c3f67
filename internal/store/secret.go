package store

import (
	"fmt"
	"log/slog"
	"unique"
)

const redacted = "REDACTED"

// Secret is a text that must not be shown: every way of printing or encoding it gives REDACTED, or
// nothing when it is empty. Reveal is the only way out. Secrets compare with ==; the zero value is empty.
type Secret struct {
	// fmt can not call methods on an unexported field of somebody's struct and prints its parts instead.
	// Of a handle it prints an address; of a plain string it would print the secret.
	h unique.Handle[string]
}

// NewSecret wraps s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{h: unique.Make(s)}
}

// Reveal returns the text itself, for the one place that has to send or store it.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.h.Value()
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s == Secret{} }

// String returns REDACTED, or "" when the secret is empty.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format writes String whatever the verb; %x and %d would get around a String method.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for encoders and map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is String in quotes. There is no way to read a Secret back: what was REDACTED once would
// replace the real one.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
