package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

func TestCrashWritesNoCore(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `ulimit -c "$(ulimit -H -c)"; exec "$0" demo --json --addr 127.0.0.1:0`, builtPostern(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^Max core file size +0 `).Match(limits) {
		t.Errorf("a crash may write the memory to a file:\n%s", limits)
	}
}
