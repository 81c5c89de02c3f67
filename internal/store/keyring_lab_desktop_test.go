//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

// sessionBus is a bus that starts nothing by itself, so that what answers is what the test started.
const sessionBus = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s/bus</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

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

// prompter stands for a window that is shown and that nobody answers.
type prompter struct{ shown chan struct{} }

func (p prompter) BeginPrompting(dbus.ObjectPath) *dbus.Error { p.shown <- struct{}{}; return nil }
func (p prompter) StopPrompting(dbus.ObjectPath) *dbus.Error  { return nil }
