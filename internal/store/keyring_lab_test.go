//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// secretServicePrograms are what the test needs, with Debian's packages.
var secretServicePrograms = [][2]string{{"gnome-keyring-daemon", "gnome-keyring"}, {"dbus-run-session", "dbus"}, {"secret-tool", "libsecret-tools"}}

// TestSecretService runs in a D-Bus session and with a home of its own, on a real gnome-keyring.
func TestSecretService(t *testing.T) {
	ci := os.Getenv("CI") == "true"
	if want := os.Getenv("LAB"); want != "1" && (!ci || want == "0") {
		fmt.Fprintln(os.Stderr, "TestSecretService: SKIPPED: a real gnome-keyring is tried only with LAB=1")
		t.Skip("a real gnome-keyring is tried only with LAB=1")
	}
	var missing []string
	for _, p := range secretServicePrograms {
		if _, err := exec.LookPath(p[0]); err != nil {
			missing = append(missing, fmt.Sprintf("%s (package %s)", p[0], p[1]))
		}
	}
	if len(missing) != 0 {
		why := "missing: " + strings.Join(missing, ", ")
		if ci {
			t.Fatal(why)
		}
		fmt.Fprintln(os.Stderr, "TestSecretService: SKIPPED:", why)
		t.Skip(why)
	}
	for _, name := range slices.Sorted(maps.Keys(secretServiceCases)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "ring") // short, because sockets have short names
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			config := filepath.Join(dir, "bus.conf")
			writeFile(t, config, fmt.Appendf(nil, sessionBus, dir))
			run, err := exec.LookPath("dbus-run-session")
			if err != nil {
				t.Fatal(err)
			}
			cmd := child(t, "secretservice", dir, name)
			cmd.Args = slices.Concat([]string{run, "--config-file=" + config, "--"}, cmd.Args)
			cmd.Path = run
			cmd.Env = append(cmd.Env, "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_RUNTIME_DIR="+dir, "XDG_CONFIG_HOME="+dir+"/config",
				"XDG_CACHE_HOME="+dir+"/cache", "DISPLAY=", "WAYLAND_DISPLAY=", "GNOME_KEYRING_CONTROL=")
			// A keyring that hangs for good takes its session with it.
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			end := time.AfterFunc(2*time.Minute, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			defer end.Stop()
			out, err := cmd.Output()
			t.Logf("%s", out)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// secretServiceCases run in the session; each prints what it saw, and returns what is wrong.
var secretServiceCases = map[string]func(d *desktop) error{
	"unlocked":            (*desktop).unlocked,
	"locked":              (*desktop).lockedAtStart,
	"locked while in use": (*desktop).lockedInUse,
	"unanswered window":   (*desktop).unansweredWindow,
	"frozen":              (*desktop).frozen,
	"no service":          (*desktop).noService,
	"no bus":              (*desktop).noBus,
	"no keyring yet":      (*desktop).noKeyringYet,
}

var labChildren = map[string]func(dir string, args []string) error{"secretservice": secretServiceChild}

func secretServiceChild(dir string, args []string) error {
	d := &desktop{dir: dir, state: filepath.Join(dir, "state")}
	defer d.stop()
	return secretServiceCases[args[0]](d)
}

func (d *desktop) unlocked() error {
	if err := errors.Join(d.start("secret"), d.fill(), d.readable()); err != nil {
		return err
	}
	// Another program sees the one entry.
	c := &chosen{state: d.state, ring: newRing()}
	ch, err := c.read()
	if err != nil {
		return err
	}
	lookup := func(entry string) (string, error) {
		out, err := exec.Command("secret-tool", "lookup", "service", keyringService, "username", entry).Output()
		return string(out), err
	}
	first := ch.key.(keyringKey).user
	if text, err := lookup(first); err != nil || len(text) != 44 {
		return fmt.Errorf("secret-tool: %d characters, %w", len(text), err)
	}
	s, err := OpenDir(d.state)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, to := range []string{"rekey", "file", "keyring", "rekey"} {
		if to == "rekey" {
			err = s.Rekey(context.Background())
		} else {
			var source KeySource
			if source, err = ParseSource(d.state, to); err == nil {
				err = s.Move(context.Background(), source)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
		fmt.Println(to+":", s.Describe())
		if err := d.readable(); err != nil {
			return fmt.Errorf("after %s: %w", to, err)
		}
	}
	if text, err := lookup(first); err == nil {
		return fmt.Errorf("the first entry is left: %d characters", len(text))
	}
	d.stop()
	return errors.Join(d.start("secret"), d.readable())
}

func (d *desktop) lockedAtStart() error {
	if err := errors.Join(d.start("secret"), d.fill()); err != nil {
		return err
	}
	d.stop()
	if err := errors.Join(d.start(""), d.refused("the keyring is locked")); err != nil {
		return err
	}
	d.stop()
	return errors.Join(d.start("secret"), d.readable())
}

func (d *desktop) lockedInUse() error {
	if err := errors.Join(d.start("secret"), d.fill()); err != nil {
		return err
	}
	s, err := OpenDir(d.state)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.View(context.Background(), ann); err != nil {
		return err
	}
	if err := errors.Join(d.lock(), d.refused("the keyring is locked")); err != nil {
		return err
	}
	// Who has the key goes on.
	if _, err := s.View(context.Background(), bob); err != nil {
		return err
	}
	err = s.Update(context.Background(), ann, func(r *Record) error { r.Problem = &Problem{Code: "x"}; return nil })
	if err != nil {
		return err
	}
	d.stop()
	return errors.Join(d.start("secret"), d.readable())
}

func (d *desktop) unansweredWindow() error {
	conn, err := dbus.SessionBus()
	if err != nil {
		return err
	}
	p := prompter{make(chan struct{}, 100)}
	if err := conn.Export(p, "/org/gnome/keyring/Prompter", "org.gnome.keyring.internal.Prompter"); err != nil {
		return err
	}
	if _, err := conn.RequestName("org.gnome.keyring.SystemPrompter", 0); err != nil {
		return err
	}
	err = errors.Join(d.start("secret"), d.fill(), d.lock(), d.refused("answer the window that asks for its password"))
	if n := len(p.shown); err == nil && n != 1 {
		return fmt.Errorf("the window was shown %d times", n)
	}
	d.stop()
	return errors.Join(err, d.start("secret"), d.readable())
}

func (d *desktop) frozen() error {
	if err := errors.Join(d.start("secret"), d.fill(), d.daemon.Process.Signal(syscall.SIGSTOP)); err != nil {
		return err
	}
	before := runtime.NumGoroutine()
	if err := d.refused("no answer within 3s"); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d goroutines are left of questions that had no answer", runtime.NumGoroutine()-before)
		}
	}
	return errors.Join(d.daemon.Process.Signal(syscall.SIGCONT), d.readable())
}

func (d *desktop) noService() error {
	if err := errors.Join(d.start("secret"), d.fill()); err != nil {
		return err
	}
	d.stop()
	return errors.Join(d.refused("no password manager offers a keyring"), d.start("secret"), d.readable())
}

func (d *desktop) noBus() error {
	if err := errors.Join(d.start("secret"), d.fill()); err != nil {
		return err
	}
	address := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	os.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+d.dir+"/nothing")
	err := d.refused("there is no D-Bus session")
	os.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	return errors.Join(err, d.readable())
}

func (d *desktop) noKeyringYet() error {
	if err := d.start(""); err != nil {
		return err
	}
	source, err := ParseSource(d.state, "keyring")
	if err != nil {
		return err
	}
	err = Choose(context.Background(), d.state, source)
	fmt.Println(err)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no keyring yet") {
		return fmt.Errorf("got %w", err)
	}
	return nil
}
