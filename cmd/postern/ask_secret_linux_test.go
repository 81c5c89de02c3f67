package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: person is where its keyboard and screen are.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}

// Whoever presses Ctrl-C at a hidden question need not press Enter, and gets a terminal that shows what is typed.
func TestHiddenQuestionInterrupted(t *testing.T) {
	t.Parallel()
	_, program := terminal(t)
	u := &ui{in: program, out: new(bytes.Buffer), err: new(bytes.Buffer)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := u.secret(ctx, "password: ")
		ended <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); echoes(t, program); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the question is not hidden")
		}
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for Enter")
	}
	if !echoes(t, program) {
		t.Error("the terminal shows nothing any more")
	}
}

func TestSecretTwice(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{"one two\none two\n": "one two", "one two\none tow\n": ""} {
		person, program := terminal(t)
		u := &ui{in: program, out: new(bytes.Buffer), err: new(bytes.Buffer)}
		if _, err := person.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		got, err := u.secretTwice(t.Context(), "password: ")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
}
