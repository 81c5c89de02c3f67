package config

import (
	"errors"
	"time"
)

// Duration is written as a text with a unit, "90s" or "1h30m". A bare number is refused: nobody can know
// whether it means seconds.
type Duration time.Duration

var errDuration = errors.New(`want a duration with a unit, such as "90s", "2m" or "1h30m"`)

// UnmarshalText parses s, m, h and the smaller units of time.ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	// ParseDuration takes "0" without a unit.
	if err != nil || string(text) == "0" {
		return errDuration
	}
	*d = Duration(v)
	return nil
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is "2m0s".
func (d Duration) String() string { return time.Duration(d).String() }
