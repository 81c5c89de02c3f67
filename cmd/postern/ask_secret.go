package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// secret asks for something that must not show, or reads it from a pipe: the first line.
func (u *ui) secret(ctx context.Context, prompt string) (string, error) {
	if f, ok := u.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return u.hidden(ctx, int(f.Fd()), prompt)
	}
	b, err := io.ReadAll(io.LimitReader(u.in, 4096))
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(line, "\r"), err
}

// secretTwice asks a person again: nobody sees a slip in what does not show.
func (u *ui) secretTwice(ctx context.Context, prompt string) (string, error) {
	first, err := u.secret(ctx, prompt)
	if err != nil || first == "" || !u.canAsk() {
		return first, err
	}
	again, err := u.secret(ctx, "once more: ")
	if err == nil && again != first {
		return "", failed(errors.New("the two are not the same"), "try again")
	}
	return first, err
}

// hidden reads a line that the terminal does not show. Ctrl-C does not wait for the line's end, and gives the
// terminal back as it was.
func (u *ui) hidden(ctx context.Context, fd int, prompt string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil || ctx.Err() != nil {
		return "", errors.Join(err, ctx.Err())
	}
	type line struct {
		text []byte
		err  error
	}
	u.prompt("%s", prompt)
	got := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		got <- line{text, err}
	}()
	select {
	case l := <-got:
		fmt.Fprintln(u.err)
		return string(l.text), l.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
