//go:build !linux

package store

var labChildren map[string]func(dir string, args []string) error
