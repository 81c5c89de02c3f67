//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"postern/internal/emulator"
)

// TestSetupKeyring chooses the keyring in setup, as a person at a desktop does: a real gnome-keyring on a bus of
// the test's own. The store's own tests have every way in which a keyring fails.
func TestSetupKeyring(t *testing.T) {
	d := newSessionBus(t)
	if _, err := exec.LookPath("gnome-keyring-daemon"); err != nil {
		t.Fatalf("%v (package gnome-keyring)", err)
	}
	const bob = "bob@example.com"
	h := newHousehold(t, emulator.Options{
		Users:   []emulator.User{{Address: bob, Password: "web-password"}},
		Clients: []emulator.Client{{ID: emulator.SampleClientID}},
	})
	h.env = append(h.env, "DBUS_SESSION_BUS_ADDRESS="+d.address)
	h.configure(h.outlook.Identity.TokenURL("{tenant}"))
	setup := func(args ...string) (string, error) {
		return h.signIn(h.command(append([]string{"setup", bob, "--provider", "lab", "--client-id", emulator.SampleClientID, "--no-browser"}, args...)...), bob)
	}
	state := filepath.Join(h.dir, "state")

	d.startKeyring(t, h.dir, "secret")() // makes it, and ends it
	stop := d.startKeyring(t, h.dir, "")
	said, err := setup("--key", "keyring")
	if err == nil || !strings.Contains(said, "the keyring is locked") {
		t.Errorf("locked: %v\n%s", err, said)
	}
	if _, err := os.Stat(state); !os.IsNotExist(err) {
		t.Errorf("locked: a state directory was made: %v", err)
	}
	stop()

	defer d.startKeyring(t, h.dir, "secret")()
	said, err = setup("--key", "keyring")
	if err != nil || !strings.Contains(said, "the key that protects the tokens goes into the system's keyring") {
		t.Fatalf("%v\n%s", err, said)
	}
	t.Log(said)
	for _, command := range []string{"status", "check"} {
		if out := h.run(command); !strings.Contains(out, `keyring entry "postern/store-`) {
			t.Errorf("postern %s:\n%s", command, out)
		} else {
			t.Log(out)
		}
	}
	if _, err := os.Stat(filepath.Join(state, "store.key")); !os.IsNotExist(err) {
		t.Errorf("there is a key file: %v", err)
	}
	if said, err := setup("--key", "keyring"); err != nil || !strings.Contains(said, ": kept") {
		t.Errorf("again: %v\n%s", err, said)
	}
	if said, err := setup("--key", "file"); err == nil || !strings.Contains(said, "postern store move file") {
		t.Errorf("another place: %v\n%s", err, said)
	}
}

// startKeyring starts the keyring of a home; with a password it is opened, and made the first time. It returns
// what ends it.
func (d *deskSide) startKeyring(t *testing.T, home, password string) (stop func()) {
	t.Helper()
	cmd := exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets", "--control-directory="+home)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_DATA_HOME=" + filepath.Join(home, "data"),
		"XDG_RUNTIME_DIR=" + home, "DBUS_SESSION_BUS_ADDRESS=" + d.address}
	if password != "" {
		cmd.Args = append(cmd.Args, "--unlock")
		cmd.Stdin = strings.NewReader(password)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(stop)
	const name, login = "org.freedesktop.secrets", dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var owned bool
		if err := d.bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&owned); err != nil {
			t.Fatal(err)
		}
		if !owned { // asking would have the bus start another
			continue
		}
		v, err := d.bus.Object(name, login).GetProperty("org.freedesktop.Secret.Collection.Locked")
		if locked, ok := v.Value().(bool); err == nil && ok && locked == (password == "") {
			return stop
		}
	}
	t.Fatal("gnome-keyring-daemon does not answer")
	return nil
}
