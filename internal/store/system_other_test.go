//go:build !linux && !darwin

package store

var systemChildren map[string]func(dir string, args []string) error
