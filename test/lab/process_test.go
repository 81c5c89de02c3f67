package lab

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"
)

// output collects what a process prints while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// process is a running command.
type process struct {
	*exec.Cmd
	out    *output
	exited chan error
}

func (p *program) start(args ...string) *process {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	proc := &process{Cmd: p.command(ctx, args...), out: new(output), exited: make(chan error, 1)}
	proc.Stdout, proc.Stderr = proc.out, proc.out
	if err := proc.Start(); err != nil {
		cancel()
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		proc.exited <- proc.Wait()
		close(done)
	}()
	p.t.Cleanup(func() { cancel(); <-done })
	return proc
}

// await polls the output until a pattern is there, and returns its first group.
func (proc *process) await(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	var found string
	t.Cleanup(func() {
		if found == "" {
			t.Logf("%q printed:\n%s", proc.Args, proc.out)
		}
	})
	eventually(t, patience, fmt.Sprintf("%s prints %s", proc.Args[len(proc.Args)-1], pattern), func() bool {
		select {
		case err := <-proc.exited:
			t.Fatalf("ended early: %v\n%s", err, proc.out)
		default:
		}
		if m := pattern.FindStringSubmatch(proc.out.String()); m != nil {
			found = m[1]
		}
		return found != ""
	})
	return found
}

func (proc *process) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-proc.exited:
		proc.exited <- err
		return err
	case <-time.After(patience):
		t.Fatalf("still running:\n%s", proc.out)
		return nil
	}
}
