package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// The test binary is also the other process: it runs the function that this variable names.
const childVariable = "POSTERN_STORE_TEST_CHILD"

// children return what the process prints before it ends with 0; an error ends it with 1.
var children = map[string]func(dir string, args []string) error{
	"count":   countChild,
	"forever": foreverChild,
	"key":     keyChild,
	"rekey":   rekeyChild,
}

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	run := children[name]
	for _, more := range []map[string]func(string, []string) error{systemChildren, labChildren} {
		if run == nil {
			run = more[name]
		}
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child prepares another process.
func child(t *testing.T, name, dir string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, append([]string{dir}, args...)...)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.Stderr = t.Output()
	return cmd
}

// begin starts the process and returns what it will print.
func begin(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out)
}

// count is the number that the tests keep in a record, beside a token that belongs to it.
func count(r *Record) int {
	if r.Token == nil {
		return 0
	}
	n, _ := strconv.Atoi(r.Token.Refresh.Reveal())
	return n
}

func setCount(r *Record, n int) {
	text := strconv.Itoa(n)
	r.Token = &Token{Refresh: NewSecret(text), Access: NewSecret(strings.Repeat(text+" ", 1+n%400))}
}

// wholeCount fails when a record mixes two versions.
func wholeCount(t *testing.T, r Record) int {
	t.Helper()
	n := count(&r)
	want := r.clone()
	setCount(&want, n)
	if n > 0 && want.Token.Access != r.Token.Access {
		t.Errorf("count %d with the access token of another version", n)
	}
	return n
}

func increment(s Store, account string) (n int, err error) {
	err = s.Update(context.Background(), account, func(r *Record) error {
		n = count(r) + 1
		setCount(r, n)
		return nil
	})
	return n, err
}

// countChild counts one record up as often as its argument says.
func countChild(dir string, args []string) error {
	s, err := OpenFile(dir, FileKey(dir+".key"))
	if err != nil {
		return err
	}
	times, _ := strconv.Atoi(args[0])
	for range times {
		if _, err := increment(s, ann); err != nil {
			return err
		}
	}
	return nil
}

// foreverChild counts up and prints each number once it is durable.
func foreverChild(dir string, _ []string) error {
	s, err := OpenFile(dir, FileKey(dir+".key"))
	if err != nil {
		return err
	}
	for {
		n, err := increment(s, ann)
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// keyChild prints the key when its standard input ends.
func keyChild(path string, _ []string) error {
	bufio.NewReader(os.Stdin).ReadString('\n')
	key, err := FileKey(path).Key(context.Background(), true)
	fmt.Printf("%x\n", key)
	return err
}
