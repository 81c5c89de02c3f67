package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/internal/emulator"
)

// A daemon in a terminal reloads when it is told to, and ends as by SIGTERM when the terminal goes. Under nohup it stays.
func TestTerminalGone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before string // the command line
		stays  bool
	}{
		"closed": {`exec "$0" "$@"`, false},
		"nohup":  {`trap '' HUP; exec "$0" "$@"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, emulator.Options{})
			h.configure(h.outlook.Identity.TokenURL("{tenant}"))
			person, program := terminal(t)
			cmd := exec.Command("sh", "-c", tt.before, h.path, "--log-level", "debug", "serve")
			cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout = h.dir, h.env, program, program
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
			d, err := h.start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.kill)
			program.Close()

			if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			d.awaitLog(t, "configuration reloaded", 1)
			person.Close()
			if tt.stays {
				d.awaitLog(t, "configuration reloaded", 2)
				if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case <-d.over:
			case <-time.After(time.Minute):
				log, _ := os.ReadFile(d.log)
				t.Fatalf("the daemon goes on:\n%s", log)
			}
			<-d.silent
			log, _ := os.ReadFile(d.log)
			if !cmd.ProcessState.Success() || strings.Contains(string(log), "terminal is gone") == tt.stays {
				t.Errorf("it ended with %v:\n%s", cmd.ProcessState, log)
			}
		})
	}
}

// awaitLog waits until the log has a text so many times.
func (d *daemonProcess) awaitLog(t *testing.T, text string, times int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		log, err := os.ReadFile(d.log)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(log), text) >= times {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log has %q less than %d times:\n%s", text, times, log)
		}
	}
}
