package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zalando/go-keyring"
)

var rekeyKills = flag.Int("rekey-kills", 40, "how often TestKilledRekey kills the process that changes the key")

// dirKeyring is a keyring that processes share: a directory with a file for each entry.
type dirKeyring string

func (d dirKeyring) path(service, user string) string {
	return filepath.Join(string(d), service+" "+user)
}

func (d dirKeyring) Get(service, user string) (string, error) {
	content, err := os.ReadFile(d.path(service, user))
	if errors.Is(err, fs.ErrNotExist) {
		return "", keyring.ErrNotFound
	}
	return string(content), err
}

func (d dirKeyring) Set(service, user, text string) error {
	f, err := reserve(d.path(service, user)+tempEnding, d.path(service, user), len(text))
	if err != nil {
		return err
	}
	return f.commit([]byte(text), time.Time{})
}

func (d dirKeyring) Delete(service, user string) error {
	err := os.Remove(d.path(service, user))
	if errors.Is(err, fs.ErrNotExist) {
		return keyring.ErrNotFound
	}
	return err
}

// rekeyChild changes the key without end, in place and between the places, and prints a line after each time.
func rekeyChild(state string, _ []string) error {
	s, err := openDir(state, fakeRing(dirKeyring(filepath.Dir(state))))
	if err != nil {
		return err
	}
	fmt.Println("open")
	for {
		do := s.Rekey
		if to := []string{"", "file", "keyring"}[rand.IntN(3)]; to != "" {
			source, err := ParseSource(state, to)
			if err != nil {
				return err
			}
			do = func(ctx context.Context) error { return s.Move(ctx, source) }
		}
		if err := do(context.Background()); err != nil {
			return err
		}
		fmt.Println(s.Describe())
	}
}

// The process that changes the key is killed at random moments. A daemon that has the store open reads,
// counts up and makes and deletes records all the while, and every record is there afterwards.
func TestKilledRekey(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	lib := dirKeyring(filepath.Dir(state))
	daemon := openState(t, state, lib)
	accounts := manyAccounts
	for _, account := range accounts {
		if _, err := increment(daemon, account); err != nil {
			t.Fatal(err)
		}
	}
	durable := make([]atomic.Int64, len(accounts))
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	working.Go(func() {
		for i := 0; ctx.Err() == nil && !t.Failed(); i = (i + 1) % len(accounts) {
			n, err := increment(daemon, accounts[i])
			if err != nil {
				t.Errorf("count up: %v", err)
				return
			}
			durable[i].Store(int64(n))
			if r, err := daemon.View(t.Context(), accounts[i]); err != nil || wholeCount(t, r) != n {
				t.Errorf("after %d: %v", n, err)
			}
		}
	})
	working.Go(func() {
		for ctx.Err() == nil && !t.Failed() {
			put(t, daemon, tokenOf("new@example.com"))
			requireReadable(t, state, lib, "new@example.com")
			if err := daemon.Delete(t.Context(), "new@example.com"); err != nil {
				t.Error(err)
			}
		}
	})

	changes, interrupted := 0, 0
	for range *rekeyKills {
		if t.Failed() {
			return
		}
		cmd := child(t, "rekey", state)
		lines := begin(t, cmd)
		lines.Scan()
		moment := time.AfterFunc(time.Duration(rand.Int64N(int64(150*time.Millisecond))), func() { cmd.Process.Kill() })
		for lines.Scan() {
			changes++
		}
		moment.Stop()
		err := cmd.Wait()
		if runtime.GOOS != "windows" && cmd.ProcessState.Exited() {
			t.Fatalf("the process ended by itself: %v", err)
		}
		if daemon.Unfinished() != "" {
			interrupted++
		}
		// A process that asks for nothing but the records, and is gone before it could finish the change.
		s := openState(t, state, lib)
		s.key.asked = nil
		for i, account := range accounts {
			least := durable[i].Load()
			r, err := s.View(t.Context(), account)
			if err != nil {
				t.Fatalf("%s, with the key in the %s and before %q: %v", account, s.Describe(), s.Unfinished(), err)
			}
			if n := wholeCount(t, r); int64(n) < least {
				t.Errorf("%s holds %d; %d was durable", account, n, least)
			}
		}
		s.Close()
	}
	stop()
	working.Wait()
	if err := daemon.Rekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	openState(t, state, lib).Close() // sweeps what the last kill left beside a record that was being written
	requireSettled(t, daemon, nil)
	keys, _ := filepath.Glob(filepath.Join(string(lib), keyringService+" *"))
	keys = slices.DeleteFunc(keys, func(path string) bool { return filepath.Ext(path) == tempEnding })
	files, _ := filepath.Glob(filepath.Join(state, keyFile+"*"))
	if keys = append(keys, files...); len(keys) != 1 {
		t.Errorf("these keys are left: %q", keys)
	}
	t.Logf("%d changes of the key, %d of %d kills interrupted one", changes, interrupted, *rekeyKills)
	if interrupted == 0 {
		t.Error("no change was interrupted")
	}
}
