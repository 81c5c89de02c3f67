//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// screen is a desktop on a display of the test's own: Xfce's panel hosts the tray, dunst shows notifications, and
// xdotool is the person at mouse and keyboard.
type screen struct {
	t       *testing.T
	theme   string
	home    string
	env     []string
	bus     *dbus.Conn
	address string // of the bus
}

const (
	screenWide, screenHigh = 800, 420
	panelHigh              = 28
)

const panelSettings = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="%t"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="%d"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray"><property name="square-icons" type="bool" value="true"/></property>
  </property>
</channel>
`

const dunstSettings = `[global]
origin = top-right
offset = 10x40
width = 340
mouse_left_click = do_action, close_current
`

// newScreen is a desktop whose panel is not there yet.
func newScreen(t *testing.T, theme string) *screen {
	t.Helper()
	s := &screen{t: t, theme: theme, home: t.TempDir()}
	settings := filepath.Join(s.home, ".config/xfce4/xfconf/xfce-perchannel-xml")
	run := filepath.Join(s.home, "run")
	for _, dir := range []string{settings, run} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.write(filepath.Join(settings, "xfce4-panel.xml"), fmt.Sprintf(panelSettings, theme == "dark", panelHigh))
	s.write(filepath.Join(s.home, "dunstrc"), dunstSettings)
	s.env = []string{"DISPLAY=" + s.startX(), "HOME=" + s.home, "XDG_CONFIG_HOME=" + filepath.Join(s.home, ".config"),
		"XDG_CACHE_HOME=" + filepath.Join(s.home, ".cache"), "XDG_RUNTIME_DIR=" + run}
	s.bus, s.address = startBus(t, s.env...)
	s.env = append(s.env, "DBUS_SESSION_BUS_ADDRESS="+s.address)
	s.start("dunst", "-conf", filepath.Join(s.home, "dunstrc"))
	until(t, "dunst is there", func() bool { // a call would start one with other settings
		var has bool
		err := s.bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, notificationName).Store(&has)
		return err == nil && has
	})
	return s
}

func (s *screen) write(file, text string) {
	s.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// startX starts the X server and returns the display that it has found free.
func (s *screen) startX() string {
	s.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	// The frame buffer's file is the screenshot.
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", screenWide, screenHigh), "-fbdir", s.home, "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{w}
	s.run(cmd)
	w.Close()
	number, err := io.ReadAll(r)
	if err != nil || len(number) == 0 {
		s.t.Fatalf("Xvfb names no display: %v", err)
	}
	return ":" + strings.TrimSpace(string(number))
}

func (s *screen) start(name string, args ...string) {
	s.t.Helper()
	s.run(exec.Command(name, args...))
}

// run starts a program that ends, with all that it has started, when the test does.
func (s *screen) run(cmd *exec.Cmd) {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.home, filepath.Base(cmd.Path)+".log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("%s: %s", cmd.Path, text(log.Name()))
		}
	})
}

// startPanel brings the host.
func (s *screen) startPanel() {
	s.t.Helper()
	s.start("xfce4-panel", "--disable-wm-check")
}

// notifications counts those on the screen; -1 while there is nothing that shows any.
func (s *screen) notifications() int {
	v, err := s.bus.Object(notificationName, notificationPath).GetProperty("org.dunstproject.cmd0.displayedLength")
	if err != nil {
		return -1
	}
	n, _ := v.Value().(uint32)
	return int(n)
}

// menu has the labels of the icon's menu.
func (s *screen) menu() map[string]int32 {
	v, err := s.bus.Object(trayWatcher, "/StatusNotifierWatcher").GetProperty(trayWatcher + ".RegisteredStatusNotifierItems")
	if err != nil {
		return nil
	}
	items, _ := v.Value().([]string)
	if len(items) != 1 {
		return nil
	}
	name, _, _ := strings.Cut(items[0], "/")
	return menuOf(s.bus, name)
}

// shot is what the screen shows. Xvfb keeps it as a file of xwd, whose header is 32-bit numbers, big-endian.
type shot struct {
	pixels  []byte // blue, green, red and nothing
	perLine int
}

func (s *screen) shot() shot {
	b, err := os.ReadFile(filepath.Join(s.home, "Xvfb_screen0"))
	if err != nil {
		s.t.Fatal(err)
	}
	field := func(i int) int { return int(binary.BigEndian.Uint32(b[4*i:])) }
	headerSize, perLine, colours := field(0), field(12), field(19)
	return shot{b[headerSize+12*colours:], perLine}
}

func (s shot) at(x, y int) color.NRGBA {
	p := s.pixels[y*s.perLine+4*x:]
	return color.NRGBA{p[2], p[1], p[0], 0xff}
}

func (s shot) image() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, screenWide, screenHigh))
	for y := range screenHigh {
		for x := range screenWide {
			img.SetNRGBA(x, y, s.at(x, y))
		}
	}
	return img
}

// icon names the colour that the panel shows at the icon's place.
func (s *screen) icon() string {
	now := s.shot()
	for c, name := range []string{"grey", "green", "amber", "red", "blue"} {
		want, found := trayPaint[c], 0
		for y := range panelHigh {
			for x := range panelHigh {
				p := now.at(x, y)
				if near(p.R, want.R) && near(p.G, want.G) && near(p.B, want.B) {
					found++
				}
			}
		}
		if found > 20 {
			return name
		}
	}
	return ""
}

func near(a, b uint8) bool { return max(a, b)-min(a, b) < 6 }

// picture keeps a screenshot where a person can look at it, if LAB_PICTURES says where.
func (s *screen) picture(name string) {
	s.t.Helper()
	dir := os.Getenv("LAB_PICTURES")
	if dir == "" {
		return
	}
	var b bytes.Buffer
	err := png.Encode(&b, s.shot().image())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("tray-%s-%s.png", name, s.theme)), b.Bytes(), 0o600)
	}
	if err != nil {
		s.t.Error(err)
	}
}

func (s *screen) xdotool(args ...string) {
	s.t.Helper()
	cmd := exec.Command("xdotool", args...)
	cmd.Env = append(os.Environ(), s.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("xdotool %v: %v\n%s", args, err, out)
	}
}

// changes does something and waits until the screen has changed and comes to rest.
func (s *screen) changes(what string, do func()) {
	s.t.Helper()
	before := s.shot().pixels
	last := before
	do()
	until(s.t, what, func() bool {
		time.Sleep(100 * time.Millisecond) // rest is that nothing changes in a while
		now := s.shot().pixels
		rest := bytes.Equal(now, last) && !bytes.Equal(now, before)
		last = now
		return rest
	})
}

// openMenu clicks the icon and keeps a picture of the menu.
func (s *screen) openMenu(name string) {
	s.t.Helper()
	middle := fmt.Sprint(panelHigh / 2)
	s.xdotool("mousemove", fmt.Sprint(screenWide-5), fmt.Sprint(screenHigh-5)) // away from what it might point at
	s.changes("the menu opens", func() { s.xdotool("mousemove", middle, middle, "click", "3") })
	s.picture(name)
}

// choose opens the menu and goes to an entry by keys.
func (s *screen) choose(name string, keys ...string) {
	s.t.Helper()
	s.openMenu(name)
	for _, key := range append(keys, "Return") {
		s.changes(key+" in the menu", func() { s.xdotool("key", key) })
	}
}
