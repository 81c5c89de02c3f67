package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

func TestConfigCure(t *testing.T) {
	t.Parallel()
	for reason, want := range map[error]string{fs.ErrNotExist: "--config", fs.ErrPermission: "let the user", errors.New("x: unknown key"): "config.example.toml"} {
		if cure := configCure(fmt.Errorf("configuration: %w", &fs.PathError{Op: "open", Path: "config.toml", Err: reason})); !strings.Contains(cure, want) {
			t.Errorf("%v: %q", reason, cure)
		}
	}
}
