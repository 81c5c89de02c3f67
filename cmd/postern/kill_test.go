//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/emulator"
)

// Two daemons, a loop of sign-ins and a loop of `postern token` share one store and are killed with SIGKILL
// at random moments, while the provider ends a whole sign-in as soon as a refresh token is presented twice.
// Nothing may be lost: no record damaged, no refresh token presented twice, and at the end the account works.
//
// POSTERN_KILL=10m makes it go on so long; otherwise it ends after 200 refreshes and 100 kills.
func TestKilledAtRandom(t *testing.T) {
	long, _ := time.ParseDuration(os.Getenv("POSTERN_KILL"))
	if testing.Short() {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI leaves nothing out: run it without -short")
		}
		t.Skip("-short: kills processes for half a minute")
	}
	k := newKiller(t)
	ctx, stop := context.WithTimeout(t.Context(), long+5*time.Minute)
	defer stop()
	var all sync.WaitGroup
	for name, act := range map[string]func(context.Context) error{
		"daemon 1": func(ctx context.Context) error { return k.daemon(ctx, "--state", filepath.Join(k.dir, "state")) },
		"daemon 2": func(ctx context.Context) error { return k.daemon(ctx, "--state", filepath.Join(k.dir, "state2")) },
		"token":    k.token,
		"login":    k.login,
	} {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := act(ctx); err != nil {
					t.Errorf("%s: %v", name, err)
					stop()
				}
			}
		})
	}
	begun := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		if k.outlook.Identity.Reuses() > 0 || k.refreshes() >= 200 && k.kills.Load() >= 100 && time.Since(begun) > long {
			stop()
		}
	}
	all.Wait()
	k.lives.Wait()
	k.outcome()
	t.Logf("%d refreshes, %d kills, %d sign-ins in %v", k.refreshes(), k.kills.Load(), k.signIns.Load(), time.Since(begun).Round(time.Second))
}

type killer struct {
	*household
	password       string
	kills, signIns atomic.Int32
	lives          sync.WaitGroup // of processes, and of those that they have started
}

const killed = "ann@example.com"

func newKiller(t *testing.T) *killer {
	users := []emulator.User{{Address: killed, Password: "web", Mail: emulator.SampleMail()}}
	k := &killer{household: newHousehold(t, emulator.Options{Users: users, Policy: emulator.Policy{
		ReuseDetection: true,
		AccessLife:     20 * time.Second, // too short for a second login: each login refreshes
	}})}
	id := k.outlook.Identity
	k.configure(strings.Replace(id.TokenURL("{tenant}"), strings.TrimPrefix(id.URL(), "https://"), k.far(strings.TrimPrefix(id.URL(), "https://")), 1), killed)
	if out, err := k.signIn(k.command("login", killed, "--no-browser"), killed); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	k.password = strings.TrimSpace(k.run("password", "add", killed))
	// A state directory has one daemon. The second one's is another, with the same store in it.
	for _, err := range []error{
		os.Mkdir(filepath.Join(k.dir, "state2"), 0o700),
		os.Symlink(filepath.Join(k.dir, "state", "store"), filepath.Join(k.dir, "state2", "store")),
		os.Link(filepath.Join(k.dir, "state", "store.key"), filepath.Join(k.dir, "state2", "store.key")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// far makes a server as far away as one on the net: its answers take a while to arrive, and whoever asked
// may be dead by then.
func (k *killer) far(server string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			go slowly(near, server)
		}
	}()
	return ln.Addr().String()
}

func slowly(near net.Conn, server string) {
	defer near.Close()
	far, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		io.Copy(far, near)
		far.(*net.TCPConn).CloseWrite()
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := far.Read(b)
		time.Sleep(rand.N(10 * time.Millisecond)) // the way back; nothing here waits for it
		near.Write(b[:n])
		if err != nil {
			return
		}
	}
}

func (k *killer) refreshes() int { return k.outlook.Identity.Count(emulator.TokenRefresh) }

// after kills the process some time from now, if it still lives.
func (k *killer) after(p *os.Process, most time.Duration) (cancel func()) {
	timer := time.AfterFunc(rand.N(most), func() {
		if p.Kill() == nil {
			k.kills.Add(1)
		}
	})
	return func() { timer.Stop() }
}

// daemon is one life of a daemon, with clients that log in all the time. The next one does not wait for
// what the last one has started.
func (k *killer) daemon(ctx context.Context, args ...string) error {
	d, err := k.serve(args...)
	if err != nil && strings.Contains(err.Error(), "another postern serve") {
		// The last one was killed while it started a process, which has its sockets until it becomes another
		// program.
		return nil
	}
	if err != nil {
		return err
	}
	k.lives.Go(func() { <-d.silent })
	defer d.kill()
	defer k.after(d.cmd.Process, 300*time.Millisecond)()
	for ctx.Err() == nil {
		answer, err := k.logIn(d.imap)
		if err != nil { // the daemon is dead
			return nil
		}
		if !strings.HasPrefix(answer, "a OK") && !strings.Contains(answer, "[UNAVAILABLE]") {
			return errors.New(answer)
		}
	}
	return nil
}

func (k *killer) logIn(address string) (answer string, err error) {
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "a LOGIN %s %s\r\n", killed, k.password)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "a ") {
			return lines.Text(), nil
		}
	}
	return "", errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// token is one `postern token`.
func (k *killer) token(context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := k.command("token", killed)
	cmd.Stderr = w
	err = cmd.Start()
	w.Close()
	var said []byte
	var read sync.WaitGroup
	read.Go(func() {
		said, _ = io.ReadAll(r)
		r.Close()
	})
	k.lives.Go(read.Wait)
	if err != nil {
		return err
	}
	defer k.after(cmd.Process, 100*time.Millisecond)()
	if err = unlessKilled(cmd.Wait()); err != nil {
		read.Wait()
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// login is one sign-in in the browser. It comes seldom: it would hide what was lost before.
func (k *killer) login(ctx context.Context) error {
	cmd := k.command("login", killed, "--no-browser")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := func() {}
	if rand.IntN(2) == 0 {
		stop = k.after(cmd.Process, 150*time.Millisecond)
	}
	said := k.browse(stderr, killed)
	err = cmd.Wait()
	stop()
	if err == nil {
		k.signIns.Add(1)
	}
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(2 * time.Second)):
	}
	if err = unlessKilled(err); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// unlessKilled is a process's own failure.
func unlessKilled(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && !exit.Exited() {
		return nil
	}
	return err
}

// outcome wants everything as if nobody had ever been killed.
func (k *killer) outcome() {
	k.t.Helper()
	if n := k.outlook.Identity.Reuses(); n != 0 {
		k.t.Errorf("%d sign-ins lost: a refresh token was presented twice", n)
	}
	if k.refreshes() < 200 || k.kills.Load() < 100 {
		k.t.Errorf("only %d refreshes and %d kills", k.refreshes(), k.kills.Load())
	}
	k.run("token", killed) // a last refresh
	if status := k.run("status", "--json"); !strings.Contains(status, `"state":"ready"`) {
		k.t.Errorf("status %s", status)
	}
	left, _ := filepath.Glob(filepath.Join(k.dir, "state", "store", "*"))
	if len(left) != 2 {
		k.t.Errorf("the store has %q; want one record and its lock", left)
	}
}
