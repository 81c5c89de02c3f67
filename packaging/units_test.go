package packaging

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// units are the shipped units under the name that they have when installed, with a program that is there.
func units(t *testing.T) map[string]string {
	t.Helper()
	paths := map[string]string{}
	for file, kind := range map[string]string{"postern.service": "user", "postern-system.service": "system"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), kind)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		paths[kind] = filepath.Join(dir, "postern.service")
		text = []byte(strings.ReplaceAll(string(text), "/usr/bin/postern", program(t)))
		if err := os.WriteFile(paths[kind], text, 0o644); err != nil {
			t.Fatal(err)
		}
		socket, err := os.ReadFile("postern.socket")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "postern.socket"), socket, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func analyze(t *testing.T, kind string, args ...string) string {
	t.Helper()
	if kind == "user" {
		t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
		args = append([]string{"--user"}, args...)
	}
	return run(t, "systemd-analyze", args...)
}

func TestUnitsVerify(t *testing.T) {
	needLab(t, "systemd-analyze", "make")
	for kind, path := range units(t) {
		for _, unit := range []string{path, filepath.Join(filepath.Dir(path), "postern.socket")} {
			if out := analyze(t, kind, "verify", "--man=no", unit); out != "" {
				t.Errorf("%s %s: %s", kind, filepath.Base(unit), out)
			}
		}
	}
}

// exposure is the highest that systemd-analyze security may say, from 0 (nothing exposed) to 10. What is left is
// the network, Unix sockets, and that the daemon sees the system's files; for one person also that the manager is
// the person's own.
var exposure = map[string]float64{"system": 1.2, "user": 2.3}

func TestUnitsExposure(t *testing.T) {
	needLab(t, "systemd-analyze", "make")
	for kind, path := range units(t) {
		out := analyze(t, kind, "security", "--offline=true", "--no-pager", path)
		m := regexp.MustCompile(`Overall exposure level for postern.service: ([0-9.]+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("no result:\n%s", out)
		}
		level, err := strconv.ParseFloat(m[1], 64)
		if err != nil || level > exposure[kind] {
			t.Errorf("%s: exposure %s, more than %.1f:\n%s", kind, m[1], exposure[kind], out)
		}
		t.Logf("%s unit: exposure %s", kind, m[1])
	}
}
