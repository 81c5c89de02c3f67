package store

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"
)

func TestTwoProcesses(t *testing.T) {
	const times = 200
	s := newFile(t)
	a, b := child(t, "count", s.dir, strconv.Itoa(times)), child(t, "count", s.dir, strconv.Itoa(times))
	for _, cmd := range []*exec.Cmd{a, b} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- errors.Join(a.Wait(), b.Wait()) }()
	seen, versions := 0, 0
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		r, err := s.View(t.Context(), ann)
		if errors.Is(err, ErrNotFound) && seen == 0 {
			continue
		}
		n := wholeCount(t, r)
		if err != nil || n < seen {
			t.Fatalf("read %d after %d, %v", n, seen, err)
		}
		if n > seen {
			seen, versions = n, versions+1
		}
	}
	if seen != 2*times {
		t.Errorf("%d increments are left of %d", seen, 2*times)
	}
	t.Logf("the reader saw %d versions", versions)
}

// A writer that is killed at any moment leaves a whole record: the last that it called durable, or the next.
func TestKilledWriter(t *testing.T) {
	s := newFile(t)
	durable := 0
	for range 30 {
		cmd := child(t, "forever", s.dir)
		lines := begin(t, cmd)
		lines.Scan()
		moment := time.AfterFunc(time.Duration(rand.Int64N(int64(15*time.Millisecond))), func() { cmd.Process.Kill() })
		for ok := true; ok; ok = lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				durable = n
			}
		}
		moment.Stop()
		err := cmd.Wait()
		if runtime.GOOS != "windows" && cmd.ProcessState.Exited() {
			t.Fatalf("the writer ended by itself: %v", err)
		}
		r, err := s.View(t.Context(), ann)
		if err != nil {
			t.Fatalf("after %d: %v", durable, err)
		}
		if n := wholeCount(t, r); n != durable && n != durable+1 {
			t.Fatalf("the record holds %d; the writer called %d durable", n, durable)
		}
	}
	if durable < 30 {
		t.Errorf("only %d writes: the writers were killed before they began", durable)
	}
	again := openStore(t, s.dir, FileKey(s.dir+".key"))
	if n, err := increment(again, ann); err != nil || n < durable {
		t.Errorf("the record can not be changed afterwards: %d, %v", n, err)
	}
	if _, err := os.Stat(s.path(fileName(ann), tempEnding)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a temporary file is left: %v", err)
	}
}

// Waiting for another process ends with the context, and the lock with its holder.
func TestWaitForAnotherProcess(t *testing.T) {
	s := newFile(t)
	other := openStore(t, s.dir, FileKey(s.dir+".key"))
	err := other.Update(t.Context(), ann, func(*Record) error {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		err := s.Update(ctx, ann, func(*Record) error { t.Error("two at once"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := increment(s, ann); err != nil {
		t.Error(err)
	}
}
