package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"postern/auth"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	running := t.Context()
	interrupted, cancel := context.WithCancel(running)
	cancel()
	problem := func(c auth.Class, behind error) error {
		return fmt.Errorf("sign in ann@example.com: %w", &auth.Problem{Class: c, Err: behind})
	}
	for _, test := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"wrong usage", running, usageError("", "no"), exitUsage},
		{"wrong configuration", running, configError(errors.New("no"), ""), exitConfig},
		{"a setting is wrong", running, problem(auth.Configuration, nil), exitConfig},
		{"sign-in needed", running, problem(auth.SignIn, nil), exitSignIn},
		{"an administrator must act", running, problem(auth.Admin, nil), exitFailed},
		{"anything", running, errors.New("no"), exitFailed},
		{"a question had no time left", running, problem(auth.Retry, context.DeadlineExceeded), exitFailed},
		{"interrupted", interrupted, context.Cause(interrupted), exitInterrupted},
		{"interrupted in a question to the provider", interrupted, problem(auth.Retry, context.Canceled), exitInterrupted},
		{"interrupted, but that was not the reason", interrupted, problem(auth.SignIn, nil), exitSignIn},
	} {
		if got := exitCode(test.ctx, test.err); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}
