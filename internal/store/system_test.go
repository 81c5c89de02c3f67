//go:build linux || darwin

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

var systemChildren = map[string]func(dir string, args []string) error{"full": fullChild, "nobody": nobodyChild}

// fullChild is a process on a full disk: the system refuses to let any file grow beyond 4 KB, which stops
// root too. Its change must not run.
func fullChild(dir string, _ []string) error {
	s, err := OpenFile(dir, FileKey(dir+".key"))
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 4096, Max: 4096}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	return requireUnavailable(s)
}

// nobodyChild is a process of another user than root, whom modes do stop.
func nobodyChild(dir string, args []string) error {
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
	}
	s, err := OpenFile(dir, fixedKey{})
	if err != nil {
		return err
	}
	if _, err := s.View(context.Background(), ann); args[0] == "closed" && !errors.Is(err, ErrUnavailable) || args[0] == "open" && err != nil {
		return fmt.Errorf("view: %w", err)
	}
	return requireUnavailable(s)
}

// requireUnavailable tries to change ann's record and that of somebody new.
func requireUnavailable(s *File) error {
	for _, account := range []string{ann, bob} {
		ran := false
		err := s.Update(context.Background(), account, func(*Record) error { ran = true; return nil })
		if ran || !errors.Is(err, ErrUnavailable) {
			return fmt.Errorf("update of %s: change ran: %v, %w", account, ran, err)
		}
		fmt.Println(err)
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	s := newFile(t)
	put(t, s, fullRecord())
	before := readFile(t, recordPath(s, ann))
	out, err := child(t, "full", s.dir).Output()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	if string(readFile(t, recordPath(s, ann))) != string(before) {
		t.Error("the record changed")
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*"+tempEnding)); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// The tests may run as root, whom no mode stops: another process gives its rights up first.
func TestNoPermission(t *testing.T) {
	for view, mode := range map[string]fs.FileMode{"open": 0o555, "closed": 0} {
		t.Run(view, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			s := openStore(t, dir, fixedKey{})
			put(t, s, fullRecord())
			for path, mode := range map[string]fs.FileMode{filepath.Dir(filepath.Dir(dir)): 0o755, filepath.Dir(dir): 0o755, recordPath(s, ann): 0o444, dir: mode} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() { os.Chmod(dir, 0o700) })
			out, err := child(t, "nobody", dir, view).Output()
			t.Logf("%s", out)
			if err != nil {
				t.Error(err)
			}
		})
	}
}
