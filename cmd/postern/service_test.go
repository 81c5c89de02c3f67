package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// fakeSystem is a machine in a directory, whose programs only note how they were called.
type fakeSystem struct {
	machine
	steps  *steps
	said   bytes.Buffer
	ran    []string
	fails  string // a command line that begins like this fails
	active bool   // what systemctl is-active says, and whether the daemon answers
}

func newFakeSystem(t *testing.T) *fakeSystem {
	root := t.TempDir()
	f := &fakeSystem{machine: machine{root: root, home: filepath.Join(root, "home"), runtimeDir: "/run/user/1000", user: "ann", uid: 1000}}
	f.steps = &steps{ui: &ui{out: &f.said, err: &f.said}, answers: func(context.Context) bool { return f.active },
		exec: func(_ context.Context, name string, args ...string) (string, error) {
			line := strings.Join(append([]string{name}, args...), " ")
			f.ran = append(f.ran, line)
			switch {
			case f.fails != "" && strings.HasPrefix(line, f.fails):
				return "it says why", errors.New("exit status 1")
			case strings.Contains(line, "is-active"):
				if f.active {
					return "active\n", nil
				}
				return "inactive\n", errors.New("exit status 3")
			case strings.Contains(line, "restart"), strings.Contains(line, "bootstrap"), strings.Contains(line, "/Run"):
				f.active = true
			case strings.Contains(line, "disable --now"), strings.Contains(line, "bootout"), strings.Contains(line, "/End"):
				f.active = false
			case strings.Contains(line, "launchctl print") && !f.active:
				return "", errors.New("exit status 113")
			}
			return "", nil
		}}
	return f
}

func (f *fakeSystem) make(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(f.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fakeSystem) boot(t *testing.T)  { f.make(t, "run/systemd/system/x", "") }
func (f *fakeSystem) login(t *testing.T) { f.make(t, "run/user/1000/systemd/private", "") }

func (f *fakeSystem) service(t *testing.T, system string, o *options) *service {
	t.Helper()
	v, err := serviceOf(t.Context(), system, f.machine, program{path: "/usr/bin/postern"}, f.steps, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestServiceWithUserManager(t *testing.T) {
	f := newFakeSystem(t)
	f.boot(t)
	f.login(t)
	o := &options{}
	v := f.service(t, "linux", o)
	if err := v.install(t.Context(), f.steps, o); err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(f.home, ".config/systemd/user/postern.service")
	if !v.installed() || v.files[0].there() != unit {
		t.Errorf("the unit is at %q", v.files[0].there())
	}
	for _, want := range []string{"systemctl --user daemon-reload", "systemctl --user enable postern.service", "systemctl --user restart postern.service"} {
		if !slices.Contains(f.ran, want) || !strings.Contains(f.said.String(), "ran "+want+"\n") {
			t.Errorf("not run, or not said: %s\n%s", want, &f.said)
		}
	}
	if !strings.Contains(f.said.String(), "Postern runs") || !strings.Contains(f.said.String(), "loginctl enable-linger ann") {
		t.Errorf("said: %s", &f.said)
	}
	f.ran = nil
	if err := v.uninstall(t.Context(), f.steps, o); err != nil {
		t.Fatal(err)
	}
	if want := []string{"systemctl --user disable --now postern.service", "systemctl --user daemon-reload"}; !slices.Equal(f.ran, want) {
		t.Errorf("ran %q, want %q", f.ran, want)
	}
	if v.installed() {
		t.Error("the unit is still there")
	}
}

func TestServiceWithoutUserManager(t *testing.T) {
	f := newFakeSystem(t)
	f.boot(t)
	o := &options{}
	if err := f.service(t, "linux", o).install(t.Context(), f.steps, o); err != nil {
		t.Fatal(err)
	}
	if len(f.ran) > 0 {
		t.Errorf("ran %q", f.ran)
	}
	target, err := os.Readlink(filepath.Join(f.home, ".config/systemd/user/default.target.wants/postern.service"))
	if err != nil || target != "/home/.config/systemd/user/postern.service" {
		t.Errorf("the link goes to %q: %v", target, err)
	}
	for _, want := range []string{"ann has no user manager", "sudo loginctl enable-linger ann"} {
		if !strings.Contains(f.said.String(), want) {
			t.Errorf("not said: %s\n%s", want, &f.said)
		}
	}
	if strings.Contains(f.said.String(), "Postern runs") {
		t.Errorf("it does not run: %s", &f.said)
	}
}

func TestServiceRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*testing.T, *fakeSystem)
		system  string
		o       options
		want    string
	}{
		"container":           {nil, "linux", options{}, "not started by systemd"},
		"container, system":   {func(t *testing.T, f *fakeSystem) { f.uid = 0 }, "linux", options{system: true}, "not started by systemd"},
		"system, not root":    {nil, "linux", options{system: true}, "only root"},
		"system elsewhere":    {nil, "darwin", options{system: true}, "--system is for Linux"},
		"root by sudo":        {func(t *testing.T, f *fakeSystem) { f.uid, f.sudo = 0, true }, "linux", options{}, "for root, because of sudo"},
		"already in a window": {func(t *testing.T, f *fakeSystem) { f.boot(t); f.active = true }, "linux", options{}, "runs already"},
		"does not start":      {func(t *testing.T, f *fakeSystem) { f.boot(t); f.login(t); f.fails = "systemctl --user restart" }, "linux", options{}, "it says why"},
		"edited": {func(t *testing.T, f *fakeSystem) {
			f.boot(t)
			f.make(t, "home/.config/systemd/user/postern.service", sign("a\n")+"b\n")
		}, "linux", options{}, "changed by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeSystem(t)
			if tt.prepare != nil {
				tt.prepare(t, f)
			}
			v, err := serviceOf(t.Context(), tt.system, f.machine, program{path: "/usr/bin/postern"}, f.steps, &tt.o)
			if err == nil {
				err = v.install(t.Context(), f.steps, &tt.o)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if hint(err) == "" {
				t.Error("no hint")
			}
			if f.fails == "" && len(f.ran) > 0 && !strings.Contains(f.ran[0], "is-active") {
				t.Errorf("ran %q", f.ran)
			}
		})
	}
}

// A package's unit that says the same is used as it is, and outlives uninstall.
func TestServiceOfPackage(t *testing.T) {
	f := newFakeSystem(t)
	f.boot(t)
	f.login(t)
	text, err := shipped("postern.service")
	if err != nil {
		t.Fatal(err)
	}
	f.make(t, "usr/lib/systemd/user/postern.service", text)
	o := &options{}
	v := f.service(t, "linux", o)
	if err := v.install(t.Context(), f.steps, o); err != nil {
		t.Fatal(err)
	}
	if got := v.files[0].there(); got != f.root+"/usr/lib/systemd/user/postern.service" {
		t.Errorf("used %s", got)
	}
	if err := v.uninstall(t.Context(), f.steps, o); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(f.said.String(), "belongs to the package") || !v.installed() {
		t.Errorf("said: %s", &f.said)
	}
}

func TestSystemService(t *testing.T) {
	f := newFakeSystem(t)
	f.boot(t)
	f.uid = 0
	p := program{path: "/opt/my tools/postern", flags: []string{"--config", "/etc/p.toml", "--state", "/root/.state"}}
	o := &options{system: true}
	v, err := serviceOf(t.Context(), "linux", f.machine, p, f.steps, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.install(t.Context(), f.steps, o); err != nil {
		t.Fatal(err)
	}
	unit, _ := os.ReadFile(f.root + "/etc/systemd/system/postern.service")
	if !strings.Contains(string(unit), "\nExecStart=\"/opt/my tools/postern\" --config /etc/p.toml serve\n") {
		t.Errorf("%s", unit)
	}
	helper, _ := os.ReadFile(f.root + "/usr/local/sbin/postern-system")
	if !strings.Contains(string(helper), "${POSTERN:-/opt/my tools/postern}") {
		t.Errorf("%s", helper)
	}
	if !slices.Contains(f.ran, "systemctl restart postern.service") {
		t.Errorf("ran %q", f.ran)
	}
	for _, path := range []string{"/home/ann/go/bin/postern", "/root/postern", "/tmp/postern"} {
		if _, err := serviceOf(t.Context(), "linux", f.machine, program{path: path}, f.steps, o); err == nil {
			t.Errorf("%s: the service can not see it", path)
		}
	}
}

func TestLaunchAgent(t *testing.T) {
	f := newFakeSystem(t)
	o := &options{}
	p := program{path: "/Users/ann/R&D/postern", flags: []string{"--state", "/Users/ann/it's here"}}
	v, err := serviceOf(t.Context(), "darwin", f.machine, p, f.steps, o)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it runs already
		if err := v.install(t.Context(), f.steps, o); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(f.home, "Library/LaunchAgents/postern.plist")
	want := []string{"launchctl print gui/1000/postern", "launchctl bootstrap gui/1000 " + path, "launchctl print gui/1000/postern"}
	if len(f.ran) < 3 || !slices.Equal(f.ran[:3], want) || !slices.Contains(f.ran, "launchctl bootout gui/1000/postern") {
		t.Errorf("ran %q", f.ran)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	words := texts(t, text)
	for _, w := range []string{"/Users/ann/R&D/postern", "--state", "/Users/ann/it's here", "serve", f.home + "/Library/Logs/postern.log"} {
		if !slices.Contains(words, w) {
			t.Errorf("no %q in %q", w, words)
		}
	}
	if err := v.uninstall(t.Context(), f.steps, o); err != nil || v.installed() {
		t.Errorf("uninstall: %v, installed %t", err, v.installed())
	}
}

func TestScheduledTask(t *testing.T) {
	f := newFakeSystem(t)
	f.user = `PC\Änn & Co`
	o := &options{}
	p := program{path: `C:\Program Files\Postern\postern.exe`, flags: []string{"--state", `D:\mail\`}, state: filepath.Join(f.root, "state")}
	v, err := serviceOf(t.Context(), "windows", f.machine, p, f.steps, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.install(t.Context(), f.steps, o); err != nil {
		t.Fatal(err)
	}
	words := texts(t, []byte(v.files[0].text))
	for _, w := range []string{`PC\Änn & Co`, `--headless "C:\Program Files\Postern\postern.exe" "--state" "D:\mail" "serve"`} {
		if !slices.Contains(words, w) {
			t.Errorf("no %q in %q", w, words)
		}
	}
	if !slices.ContainsFunc(f.ran, func(s string) bool {
		return strings.HasPrefix(s, "schtasks /Create /TN Postern /XML ") && strings.HasSuffix(s, " /F")
	}) ||
		!slices.Contains(f.ran, "schtasks /Run /TN Postern") {
		t.Errorf("ran %q", f.ran)
	}
	if err := v.uninstall(t.Context(), f.steps, o); err != nil {
		t.Fatal(err)
	}
	if got := f.ran[len(f.ran)-1]; got != "schtasks /Delete /TN Postern /F" || v.installed() {
		t.Errorf("at last ran %q", got)
	}
}

// texts are the texts of all elements; the XML has to be whole.
func texts(t *testing.T, text []byte) (all []string) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if c, ok := token.(xml.CharData); ok {
			all = append(all, strings.TrimSpace(string(c)))
		}
	}
}

func TestInUTF16(t *testing.T) {
	b := inUTF16("Ä😀")
	var units []uint16
	for i := 0; i < len(b); i += 2 {
		units = append(units, uint16(b[i])|uint16(b[i+1])<<8)
	}
	if got := string(utf16.Decode(units)); got != "\ufeffÄ😀" {
		t.Errorf("%q", got)
	}
}

func TestSignature(t *testing.T) {
	for _, text := range []string{"[Unit]\n", "<?xml?>\n<a/>\n", "one\ntwo\n"} {
		signed := sign(text)
		if !unchanged([]byte(signed)) {
			t.Errorf("%q is changed", signed)
		}
		for _, edit := range []string{text, signed + "\n", "\n" + signed, strings.ToUpper(signed), strings.ReplaceAll(signed, "\n", "\r\n"), "", signed[:len(signed)-1]} {
			if unchanged([]byte(edit)) {
				t.Errorf("%q is unchanged", edit)
			}
		}
	}
}

func TestUnitWord(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/bin/postern": "/usr/bin/postern",
		"/a b":             `"/a b"`,
		"/50%":             "/50%%",
		"/a;b":             `"/a;b"`,
	} {
		if got := unitWord(in); got != want {
			t.Errorf("unitWord(%q) = %s, want %s", in, got, want)
		}
	}
}
