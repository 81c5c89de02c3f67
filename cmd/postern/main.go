// Command postern lets mail clients that only know a user name and a password use mailboxes that only
// take OAuth2. It is the daemon and its command line in one program: this package parses, calls the other
// packages, prints, and turns errors into exit codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"postern/auth"
)

func main() {
	leaveNoCore()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes, part of the contract with scripts.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitSignIn      = 4
	exitInterrupted = 130
)

// run is the whole program; it is main for tests too.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ui := &ui{in: stdin, out: stdout, err: stderr}
	endLine := sync.OnceFunc(ui.endLine)
	defer context.AfterFunc(ctx, endLine)()
	err := dispatch(ctx, ui, args)
	if err == nil && ui.lost != nil {
		err = failed(fmt.Errorf("the result could not be written: %w", ui.lost), "")
	}
	if ctx.Err() != nil {
		endLine()
	}
	if err == nil {
		return exitDone
	}
	code := exitCode(ctx, err)
	if code != exitInterrupted {
		ui.fail(err)
	}
	return code
}

// failure is an error that knows its exit code and its cure.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usageError(hint, format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

func configError(err error, hint string) error {
	return &failure{code: exitConfig, err: err, hint: hint}
}

// failed is an error with a cure.
func failed(err error, hint string) error {
	return &failure{code: exitFailed, err: err, hint: hint}
}

func exitCode(ctx context.Context, err error) int {
	// First, because a question that Ctrl-C broke off looks like a trouble of the network.
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	if p, ok := errors.AsType[*auth.Problem](err); ok {
		switch p.Class {
		case auth.SignIn:
			return exitSignIn
		case auth.Configuration:
			return exitConfig
		}
	}
	return exitFailed
}

// hint finds the cure that goes with an error.
func hint(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.hint
	}
	if p, ok := errors.AsType[*auth.Problem](err); ok {
		return p.Cure
	}
	if errors.Is(err, auth.ErrUnknownAccount) {
		return `"postern account list" shows the accounts, "postern setup EMAIL" makes one`
	}
	return ""
}
