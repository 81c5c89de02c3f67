//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"postern/internal/emulator"
)

// deskSide is the rest of a desktop: what shows the icon, and what shows notifications.
type deskSide struct {
	bus     *dbus.Conn
	address string

	mu     sync.Mutex
	deaf   bool     // misses the next icon
	items  []string // unique names of the icons
	notes  []deskNote
	closed []uint32
}

type deskNote struct {
	summary, body string
	actions       []string
}

// needDesktop skips a test outside the lab. In CI that is a failure, but where LAB=0 says that the lab has a turn of its own.
func needDesktop(t *testing.T, what string) {
	t.Helper()
	lab := os.Getenv("LAB")
	switch {
	case lab == "1":
	case os.Getenv("CI") == "true" && lab != "0":
		t.Fatal("has to run in CI, with LAB=1: see test/lab/run")
	default:
		t.Skip("needs " + what + ": LAB=1")
	}
}

// newSessionBus is a desktop without a tray.
func newSessionBus(t *testing.T) *deskSide {
	t.Helper()
	needDesktop(t, "a D-Bus daemon")
	d := &deskSide{}
	d.bus, d.address = startBus(t)
	d.own(t, notificationName, notificationPath, notificationSide{d})
	return d
}

// startBus starts a bus of the test's own. What it starts gets env besides.
func startBus(t *testing.T, env ...string) (bus *dbus.Conn, address string) {
	t.Helper()
	cmd := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address=1")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("dbus-daemon: %v", err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	bus, err = dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	return bus, address
}

func (d *deskSide) own(t *testing.T, name string, path dbus.ObjectPath, methods any) {
	t.Helper()
	if err := d.bus.Export(methods, path, name); err != nil {
		t.Fatal(err)
	}
	if reply, err := d.bus.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("%s: %v, %v", name, reply, err)
	}
}

// hostTray makes it a desktop with a tray.
func (d *deskSide) hostTray(t *testing.T) {
	t.Helper()
	const path = trayWatcherPath
	_, err := prop.Export(d.bus, path, prop.Map{trayWatcher: {"IsStatusNotifierHostRegistered": {Value: true}}})
	if err != nil {
		t.Fatal(err)
	}
	d.own(t, trayWatcher, path, watcherSide{d})
}

type watcherSide struct{ d *deskSide }

func (w watcherSide) RegisterStatusNotifierItem(sender dbus.Sender, _ string) *dbus.Error {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if w.d.deaf {
		w.d.deaf = false
		return dbus.MakeFailedError(errors.New("not ready"))
	}
	w.d.items = append(w.d.items, string(sender))
	return nil
}

type notificationSide struct{ d *deskSide }

func (n notificationSide) GetCapabilities() ([]string, *dbus.Error) {
	return []string{"actions", "body", "body-markup"}, nil
}

func (n notificationSide) Notify(_ string, _ uint32, _, summary, body string, actions []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	n.d.notes = append(n.d.notes, deskNote{summary, body, actions})
	return uint32(len(n.d.notes)), nil
}

func (n notificationSide) CloseNotification(id uint32) *dbus.Error {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	n.d.closed = append(n.d.closed, id)
	return nil
}

func (d *deskSide) seen() (items []string, notes []deskNote, closed []uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.items, d.notes, d.closed
}

// icon names the colour that the tray shows.
func (d *deskSide) icon() string {
	items, _, _ := d.seen()
	if len(items) == 0 {
		return ""
	}
	v, err := d.bus.Object(items[0], "/StatusNotifierItem").GetProperty("org.kde.StatusNotifierItem.IconPixmap")
	if err != nil {
		return err.Error()
	}
	var pictures []struct {
		W, H int32
		Pix  []byte
	}
	if err := v.Store(&pictures); err != nil || len(pictures) != 1 || pictures[0].W != traySize {
		return fmt.Sprint(err, len(pictures))
	}
	at := 4 * (10*traySize + traySize/2) // near the top, above every sign
	argb := pictures[0].Pix[at : at+4]
	for c, name := range []string{"grey", "green", "amber", "red", "blue"} {
		if p := trayPaint[c]; argb[1] == p.R && argb[2] == p.G && argb[3] == p.B {
			return name
		}
	}
	return fmt.Sprint(argb)
}

type menuLayout struct {
	ID       int32
	Props    map[string]dbus.Variant
	Children []dbus.Variant
}

// menu reads the menu as a host does: label → id.
func (d *deskSide) menu() map[string]int32 {
	items, _, _ := d.seen()
	if len(items) == 0 {
		return nil
	}
	return menuOf(d.bus, items[0])
}

func menuOf(bus *dbus.Conn, item string) map[string]int32 {
	var revision uint32
	var root menuLayout
	all := map[string]int32{}
	o := bus.Object(item, "/StatusNotifierItem/menu")
	if err := o.Call("com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &root); err != nil {
		return map[string]int32{err.Error(): -1}
	}
	for _, c := range root.Children {
		var child menuLayout
		if err := dbus.Store([]any{c.Value()}, &child); err == nil {
			label, _ := child.Props["label"].Value().(string)
			all[label] = child.ID
		}
	}
	return all
}

// click clicks the menu item with that label.
func (d *deskSide) click(t *testing.T, label string) {
	t.Helper()
	id, ok := d.menu()[label]
	if !ok {
		t.Fatalf("no %q in the menu %v", label, d.menu())
	}
	items, _, _ := d.seen()
	call := d.bus.Object(items[0], "/StatusNotifierItem/menu").Call("com.canonical.dbusmenu.Event", 0, id, "clicked", dbus.MakeVariant(""), uint32(0))
	if call.Err != nil {
		t.Fatal(call.Err)
	}
}

// trayProcess is a running `postern tray` with what it says.
type trayProcess struct {
	cmd  *exec.Cmd
	said string // file
	went string // file with the addresses that it opened in the browser
}

func (h *household) tray(bus string) *trayProcess {
	h.t.Helper()
	p := &trayProcess{said: filepath.Join(h.dir, "tray.log"), went: filepath.Join(h.dir, "browser.log")}
	bin := filepath.Join(h.dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte("#!/bin/sh\necho \"$1\" >>"+p.went+"\n"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	log, err := os.Create(p.said)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = h.command("tray")
	p.cmd.Stderr = log
	p.cmd.Env = append(p.cmd.Env, "DBUS_SESSION_BUS_ADDRESS="+bus, "PATH="+bin+":"+os.Getenv("PATH"))
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	return p
}

func text(file string) string {
	b, _ := os.ReadFile(file)
	return string(b)
}

// openPage gives the household a web page.
func (h *household) openPage() {
	h.t.Helper()
	h.write("config.toml", strings.Replace(text(filepath.Join(h.dir, "config.toml")), `web = ""`, `web = "127.0.0.1:0"`, 1))
}

// until polls: the tray asks the daemon every few seconds.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func TestTray(t *testing.T) {
	needDesktop(t, "a D-Bus daemon, an X server, a panel and a notification daemon")
	t.Run("bus", func(t *testing.T) {
		t.Parallel()
		trayOnBus(t)
	})
	for _, theme := range []string{"dark", "light"} {
		if theme == "light" && os.Getenv("LAB_PICTURES") == "" {
			continue // it looks different, and does the same
		}
		t.Run(theme, func(t *testing.T) {
			t.Parallel()
			trayOnScreen(t, theme)
		})
	}
}

// trayOnBus lives a day with the icon: no tray, then one; a daemon that starts, an account that must be signed
// in again, that is, and a daemon that stops. The test plays host and notification daemon, and so sees each call.
func trayOnBus(t *testing.T) {
	d := newSessionBus(t)
	defer func() {
		if t.Failed() {
			t.Logf("the icon is %q, the menu %v", d.icon(), d.menu())
		}
	}()
	h := newHousehold(t, emulator.Options{Users: []emulator.User{{Address: "ann@example.com", Password: "web-password", Name: "Ann", Mail: emulator.SampleMail()}}})
	h.configure(h.outlook.Identity.TokenURL("common"), "ann@example.com")
	h.openPage()
	signIn := func() {
		t.Helper()
		if out, err := h.signIn(h.command("login", "ann@example.com", "--no-browser"), "ann@example.com"); err != nil {
			t.Fatalf("login: %v\n%s", err, out)
		}
	}
	signIn()
	password := strings.TrimSpace(h.run("password", "add", "ann@example.com"))

	p := h.tray(d.address)
	until(t, "it says that there is no tray", func() bool { return strings.Contains(text(p.said), "shows no tray icons") })
	until(t, "it says what to start", func() bool { return strings.Contains(text(p.said), "postern serve") })
	d.deaf = true // as if the host had come while the library was not listening
	d.hostTray(t)
	until(t, "grey without a daemon", func() bool { return d.icon() == "grey" })

	daemon, err := h.serve()
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.kill()
	until(t, "green", func() bool { return d.icon() == "green" })
	until(t, "the account is in the menu", func() bool { return d.menu()["ann@example.com: ready"] > 0 })
	d.click(t, "Open the page")
	until(t, "the page opens", func() bool { return strings.HasPrefix(text(p.went), "http://127.0.0.1:") })

	desktopFile := filepath.Join(h.dir, ".config", "autostart", "postern-tray.desktop")
	d.click(t, "Start at login")
	until(t, "it starts at login", func() bool { return strings.Contains(text(desktopFile), `Exec="`+h.path+`" "tray"`) })
	d.click(t, "Start at login")
	until(t, "it does not start at login", func() bool { return text(desktopFile) == "" })

	d.click(t, "Pause")
	until(t, "blue", func() bool { return d.icon() == "blue" && d.menu()["Resume"] > 0 })
	if got := login(t, daemon.imap, "ann@example.com", password); !strings.HasPrefix(got, "a NO [UNAVAILABLE] Postern is paused; ") {
		t.Errorf("paused: %q", got)
	}
	if out := h.run("status"); !strings.Contains(out, "paused since") {
		t.Errorf("status: %s", out)
	}
	d.click(t, "Resume")
	until(t, "green after the pause", func() bool { return d.icon() == "green" && d.menu()["Pause"] > 0 })
	if got := login(t, daemon.imap, "ann@example.com", password); !strings.HasPrefix(got, "a OK") {
		t.Errorf("resumed: %q", got)
	}

	h.outlook.Identity.RevokeUser("ann@example.com")
	h.outlook.Identity.RevokeAccess("ann@example.com")
	for range 2 {
		login(t, daemon.imap, "ann@example.com", password)
	}
	until(t, "red", func() bool { return d.icon() == "red" })
	until(t, "a notification", func() bool { _, notes, _ := d.seen(); return len(notes) > 0 })
	login(t, daemon.imap, "ann@example.com", password)
	_, notes, _ := d.seen()
	if n := notes[0]; n.summary != "Sign in again: ann@example.com" || !strings.HasSuffix(n.body, "Click to sign in.") || len(n.actions) != 2 {
		t.Errorf("notification %+v", n)
	}
	if err := d.bus.Emit(notificationPath, notificationName+".ActionInvoked", uint32(1), "default"); err != nil {
		t.Fatal(err)
	}
	until(t, "the click leads to the sign-in", func() bool { return strings.Contains(text(p.went), "/sign-in/ann@example.com") })

	signIn()
	until(t, "green again", func() bool { return d.icon() == "green" })
	until(t, "the notification is taken back", func() bool { _, _, closed := d.seen(); return len(closed) == 1 })

	daemon.kill()
	until(t, "grey again", func() bool { return d.icon() == "grey" })
	if _, notes, _ := d.seen(); len(notes) != 1 {
		t.Errorf("%d notifications, want 1: %+v", len(notes), notes)
	}
	d.click(t, "Quit this icon")
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("tray ended with %v\n%s", err, text(p.said))
	}
}

// login tries one and reads the answer, whatever it is.
func login(t *testing.T, at, account, password string) string {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "a LOGIN %s %s\r\n", account, password)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "a ") {
			t.Log(lines.Text())
			return lines.Text()
		}
	}
	t.Fatal("no answer to LOGIN")
	return ""
}
