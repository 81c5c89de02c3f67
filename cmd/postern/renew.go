package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// renewCommand is how a postern process asks for another one, which a SIGKILL, a crash or an out-of-memory
// killer that takes the first leaves alive: see auth.Apart. Nothing secret is in its arguments.
const renewCommand = "renew"

// Processes cost memory; a hundred accounts may expire in the same minute. Whoever finds no place soon does
// without, for one provider's silence must not hold up the accounts of another.
const (
	renewAtOnce   = 8
	renewPatience = 2 * time.Second
)

// renewApart implements auth.Apart.
func (a *app) renewApart(ctx context.Context, request []byte) ([]byte, error) {
	select {
	case a.renewals <- struct{}{}:
		defer func() { <-a.renewals }()
	case <-time.After(renewPatience):
		return nil, errors.New("too many at once")
	}
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{os.Args[0], "--state", a.stateDir()}
	if a.o.global.config != "" {
		args = append(args, "--config", a.o.global.config)
	}
	var output bytes.Buffer
	// Not CommandContext: it must outlive the context too.
	cmd := &exec.Cmd{
		Path: path, Args: append(args, renewCommand), SysProcAttr: detached(),
		Stdin: bytes.NewReader(request), Stdout: &output, Stderr: os.Stderr, // where a crash of it is seen
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return output.Bytes(), err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// runRenew is the other process.
func runRenew(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	// Whoever asked may be dead before the answer: writing to it must not kill this process too.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	request, err := io.ReadAll(io.LimitReader(a.ui.in, 1<<20))
	if err != nil {
		return err
	}
	if !isDir(filepath.Join(a.stateDir(), "store")) { // it was taken away, and is not this process's to make again
		a.ui.err = io.Discard
		return errors.New("there is no token store")
	}
	m, err := a.accounts()
	if err != nil {
		return err
	}
	err = m.RenewApart(ctx, request, a.ui.out)
	if err != nil {
		a.ui.err = io.Discard // whoever asked does it itself and reports that; this line would stand in its log, which may be JSON
	}
	return err
}
