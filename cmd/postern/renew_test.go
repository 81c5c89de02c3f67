package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The other process shares the daemon's standard error, whose lines may be JSON. It is one here, too: it ignores SIGHUP,
// and so would all that this one starts.
func TestRenewSaysNothing(t *testing.T) {
	t.Parallel()
	var out, said bytes.Buffer
	cmd := exec.Command(builtPostern(t), "--state", t.TempDir(), renewCommand)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "POSTERN_CONFIG=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("no request"), &out, &said
	cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != exitFailed || out.Len()+said.Len() > 0 {
		t.Errorf("%v, output %q, said %q", cmd.ProcessState, &out, &said)
	}
}
