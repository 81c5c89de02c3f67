//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// sessionBus is a bus that starts nothing by itself, so that what answers is what the test started.
const sessionBus = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s/bus</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

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

// desktop is a session with a keyring.
type desktop struct {
	dir, state string
	daemon     *exec.Cmd
}

// start starts the keyring; with a password it is opened, and made the first time.
func (d *desktop) start(password string) error {
	d.daemon = exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets", "--control-directory="+d.dir)
	if password != "" {
		d.daemon.Args = append(d.daemon.Args, "--unlock")
		d.daemon.Stdin = strings.NewReader(password)
	}
	d.daemon.Stdout, d.daemon.Stderr = io.Discard, io.Discard
	if err := d.daemon.Start(); err != nil {
		return err
	}
	conn, err := dbus.SessionBus()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var owned bool
		if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, secretsName).Store(&owned); err != nil {
			return err
		}
		if !owned {
			continue
		}
		// It owns the name before it has read the password.
		if locked, err := lookAtKeyring(context.Background()); password == "" || err == nil && !locked {
			return nil
		}
	}
	return errors.New("gnome-keyring-daemon does not answer")
}

func (d *desktop) stop() {
	if d.daemon != nil && d.daemon.Process != nil {
		d.daemon.Process.Signal(syscall.SIGCONT)
		d.daemon.Process.Kill()
		d.daemon.Wait()
		d.daemon = nil
	}
}

func (d *desktop) lock() error {
	conn, err := dbus.SessionBus()
	if err != nil {
		return err
	}
	return conn.Object(secretsName, secretsPath).Call(secretsInterface+".Lock", 0, []dbus.ObjectPath{secretsLogin}).Err
}

// fill makes a store whose key is in the keyring.
func (d *desktop) fill() error {
	source, err := ParseSource(d.state, "keyring")
	if err == nil {
		err = Choose(context.Background(), d.state, source)
	}
	if err != nil {
		return err
	}
	s, err := OpenDir(d.state)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, account := range manyAccounts {
		if err := s.Update(context.Background(), account, func(r *Record) error { *r = tokenOf(account); return nil }); err != nil {
			return err
		}
	}
	return nil
}

// readable opens the store as another process would.
func (d *desktop) readable() error {
	s, err := OpenDir(d.state)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, account := range manyAccounts {
		r, err := s.View(context.Background(), account)
		if err != nil {
			return err
		}
		if r.Token.Refresh != tokenOf(account).Token.Refresh {
			return fmt.Errorf("%s: another record", account)
		}
	}
	return nil
}

// refused holds that nothing can be read or written, that it is said soon and with this reason, and that
// nothing changed.
func (d *desktop) refused(says string) error {
	before, err := d.files()
	if err != nil {
		return err
	}
	s, err := OpenDir(d.state)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx := context.Background()
	attempts := map[string]func() error{
		"view": func() error { _, err := s.View(ctx, ann); return err },
		"new": func() error {
			return s.Update(ctx, "new@example.com", func(*Record) error { panic("change ran") })
		},
		"rekey": func() error { return s.Rekey(ctx) },
		"move":  func() error { return s.Move(ctx, FileKey(filepath.Join(d.state, keyFile))) },
	}
	for name, attempt := range attempts {
		began := time.Now()
		err := attempt()
		fmt.Printf("%s, after %v: %v\n", name, time.Since(began).Round(time.Millisecond), err)
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), says) {
			return fmt.Errorf("%s: got %w; want ErrUnavailable saying %q", name, err, says)
		}
		if took := time.Since(began); took > keyringLimit+10*time.Second { // far above, because the machine may be busy
			return fmt.Errorf("%s took %v", name, took)
		}
	}
	after, err := d.files()
	if err == nil && !slices.Equal(before, after) {
		err = errors.New("the files changed")
	}
	return err
}

func (d *desktop) files() (all []string, err error) {
	err = filepath.WalkDir(d.state, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && !strings.HasSuffix(path, lockEnding) {
			var content []byte
			content, err = os.ReadFile(path)
			all = append(all, path+" "+string(content))
		}
		return err
	})
	return all, err
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

// prompter stands for a window that is shown and that nobody answers.
type prompter struct{ shown chan struct{} }

func (p prompter) BeginPrompting(dbus.ObjectPath) *dbus.Error { p.shown <- struct{}{}; return nil }
func (p prompter) StopPrompting(dbus.ObjectPath) *dbus.Error  { return nil }

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
