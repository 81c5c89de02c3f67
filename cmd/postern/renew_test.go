package main

import (
	"bytes"
	"strings"
	"testing"
)

// The other process shares the daemon's standard error, whose lines may be JSON.
func TestRenewSaysNothing(t *testing.T) {
	t.Setenv("POSTERN_CONFIG", "")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	var out, said bytes.Buffer
	code := run([]string{"--state", t.TempDir(), renewCommand}, strings.NewReader("no request"), &out, &said)
	if code != exitFailed || out.Len()+said.Len() > 0 {
		t.Errorf("exit code %d, output %q, said %q", code, &out, &said)
	}
}
