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

var errAnswersEnded = failed(errors.New("the answers ended before the questions"), "postern setup may be run again; it keeps what is done")

// canAsk reports whether a person sits at standard input.
func (u *ui) canAsk() bool {
	f, ok := u.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ask puts one question and returns the trimmed answer, or usual for an empty one. It asks again until
// check has nothing to say. Plain lines, so that a screen reader follows them.
func (u *ui) ask(ctx context.Context, question, usual string, check func(string) error) (string, error) {
	for {
		if usual != "" {
			u.prompt("%s [%s]: ", question, usual)
		} else {
			u.prompt("%s: ", question)
		}
		answer, err := u.line(ctx)
		if err != nil {
			if ctx.Err() == nil { // after Ctrl-C the line is broken already
				u.say("")
			}
			return "", err
		}
		if answer == "" {
			answer = usual
		}
		if check == nil {
			return answer, nil
		}
		if err := check(answer); err == nil {
			return answer, nil
		} else {
			u.say("  %v", err)
		}
	}
}

// confirm asks a question whose usual answer is no.
func (u *ui) confirm(ctx context.Context, question string) (yes bool, err error) {
	_, err = u.ask(ctx, question+" (yes or no)", "no", func(answer string) error {
		switch strings.ToLower(answer) {
		case "y", "yes":
			yes = true
		case "n", "no":
		default:
			return errors.New("yes or no")
		}
		return nil
	})
	return yes, err
}

// line reads one line and not a byte more: the sign-in reads from the same input after it.
func (u *ui) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := readLine(u.in)
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func readLine(r io.Reader) (string, error) {
	var text []byte
	for one := make([]byte, 1); len(text) < 4096; {
		n, err := r.Read(one)
		switch {
		case n == 1 && one[0] == '\n':
			return strings.TrimSpace(string(text)), nil
		case n == 1:
			text = append(text, one[0])
		case errors.Is(err, io.EOF):
			return "", errAnswersEnded
		case err != nil:
			return "", fmt.Errorf("read the answer: %w", err)
		}
	}
	return "", errors.New("read the answer: the line is too long")
}
