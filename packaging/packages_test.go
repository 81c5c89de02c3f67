package packaging

import (
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contents are what both packages carry, besides their own places for zsh and the licence.
var contents = []string{
	"/usr/bin/postern",
	"/usr/sbin/postern-system",
	"/usr/lib/systemd/user/postern.service",
	"/usr/lib/systemd/user/postern.socket",
	"/usr/lib/systemd/system/postern.service",
	"/usr/lib/systemd/system/postern.socket",
	"/usr/share/man/man1/postern.1.gz",
	"/usr/share/man/man5/postern.toml.5.gz",
	"/usr/share/man/man8/postern-system.8.gz",
	"/usr/share/bash-completion/completions/postern",
	"/usr/share/fish/vendor_completions.d/postern.fish",
	"/usr/share/doc/postern/README.md",
	"/usr/share/doc/postern/examples/config.example.toml",
}

// TestDebian installs the package on this system, tries what is in it, and removes it.
func TestDebian(t *testing.T) {
	needLab(t, "root", "make", "dpkg", "man")
	deb := built(t, ".deb")
	if out, err := exec.CommandContext(t.Context(), "dpkg-query", "-W", "-f", "${db:Status-Status}", "postern").Output(); err == nil && strings.Contains(string(out), "installed") {
		t.Fatal("this system has a package postern already, which this test would remove")
	}
	t.Cleanup(func() { exec.Command("dpkg", "--purge", "postern").Run() })
	// Small images are set up to leave manuals out.
	run(t, "dpkg", "--install", "--path-include=/usr/share/man/*", "--path-include=/usr/share/doc/*", deb)

	installed := strings.Fields(run(t, "dpkg", "--listfiles", "postern"))
	for _, path := range append(contents, "/usr/share/zsh/vendor-completions/_postern", "/usr/share/doc/postern/copyright") {
		if _, err := os.Stat(path); err != nil || !slices.Contains(installed, path) {
			t.Errorf("%s is not installed: %v", path, err)
		}
	}
	if out := run(t, "/usr/bin/postern", "version"); !strings.HasPrefix(out, "postern "+packageVersion+" linux/") {
		t.Errorf("version: %s", out)
	}
	for page, want := range map[string]string{"postern.1": "service install", "postern.toml.5": "tls_cert", "postern-system.8": "systemd-run"} {
		name, section, _ := strings.Cut(page, ".")
		if i := strings.LastIndex(page, "."); i >= 0 {
			name, section = page[:i], page[i+1:]
		}
		if out := run(t, "man", section, name); !strings.Contains(out, want) {
			t.Errorf("man %s %s has no %q:\n%s", section, name, want, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "postern-system").CombinedOutput(); err == nil || !strings.Contains(string(out), "usage: postern-system") {
		t.Errorf("postern-system: %v %s", err, out)
	}

	run(t, "dpkg", "--remove", "postern")
	run(t, "dpkg", "--purge", "postern")
	for _, path := range installed {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !info.IsDir() || strings.Contains(path, "postern") {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	for _, pattern := range []string{"/etc/systemd/*/*postern*", "/etc/systemd/*/*/*postern*", "/etc/postern", "/var/lib/postern", "/var/lib/dpkg/info/postern.*"} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("%q are left", left)
		}
	}
}

func TestRPM(t *testing.T) {
	needLab(t, "make", "rpm")
	file := built(t, ".rpm")
	listed := strings.Fields(run(t, "rpm", "--query", "--list", "--package", file))
	for _, path := range append(contents, "/usr/share/zsh/site-functions/_postern", "/usr/share/licenses/postern/LICENSE") {
		if !slices.Contains(listed, path) {
			t.Errorf("%s is not in %s", path, listed)
		}
	}
	if out := run(t, "rpm", "--query", "--queryformat", "%{NAME} %{VERSION} %{LICENSE}", "--package", file); out != "postern "+packageVersion+" MIT" {
		t.Errorf("it says: %s", out)
	}
	if out := run(t, "rpm", "--query", "--requires", "--package", file); !strings.Contains(out, "ca-certificates") {
		t.Errorf("requires: %s", out)
	}
	if out := run(t, "rpm", "--query", "--scripts", "--package", file); strings.Count(out, "#!/bin/sh") != 3 {
		t.Errorf("scripts: %s", out)
	}
	// Unpacked with a database of its own; the scripts would run in a root without a shell.
	root := t.TempDir()
	run(t, "rpm", "--root", root, "--install", "--nodeps", "--noscripts", "--ignorearch", file)
	if out := run(t, filepath.Join(root, "usr/bin/postern"), "version"); !strings.HasPrefix(out, "postern "+packageVersion) {
		t.Errorf("version: %s", out)
	}
	run(t, "rpm", "--root", root, "--erase", "--noscripts", "postern")
	for _, path := range contents {
		if _, err := os.Stat(filepath.Join(root, path)); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}

// Each architecture's package has that architecture's program, wherever it was built.
func TestArchitectures(t *testing.T) {
	needLab(t, "make", "dpkg-deb", "rpm")
	dist := filepath.Dir(built(t, ".deb"))
	for arch, want := range map[string]struct{ rpm, elf string }{"amd64": {"x86_64", "EM_X86_64"}, "arm64": {"aarch64", "EM_AARCH64"}} {
		deb := filepath.Join(dist, "postern_"+packageVersion+"-1_"+arch+".deb")
		if got := strings.TrimSpace(run(t, "dpkg-deb", "--field", deb, "Architecture")); got != arch {
			t.Errorf("%s is for %s", deb, got)
		}
		root := t.TempDir()
		run(t, "dpkg-deb", "--extract", deb, root)
		program, err := elf.Open(filepath.Join(root, "usr/bin/postern"))
		if err != nil {
			t.Fatal(err)
		}
		if got := program.Machine.String(); got != want.elf {
			t.Errorf("%s has a program for %s", deb, got)
		}
		program.Close()
		file := filepath.Join(dist, "postern-"+packageVersion+"-1."+want.rpm+".rpm")
		if got := run(t, "rpm", "--query", "--queryformat", "%{ARCH}", "--package", file); got != want.rpm {
			t.Errorf("%s is for %s", file, got)
		}
	}
}

// TestManuals asks a strict reader.
func TestManuals(t *testing.T) {
	needLab(t, "make", "mandoc", "gzip")
	built(t, ".deb")
	for _, page := range []string{"postern.1", "postern.toml.5", "postern-system.8"} {
		plain := filepath.Join(t.TempDir(), page)
		if err := os.WriteFile(plain, []byte(run(t, "gzip", "-dc", filepath.Join("..", "dist", "man", page+".gz"))), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "mandoc", "-T", "lint", "-W", "warning", plain)
	}
}

// TestBoot runs the package under a systemd of its own: both units, postern service, and the way out.
func TestBoot(t *testing.T) {
	needLab(t, "root", "make", "unshare", "systemd-nspawn", "dbus-daemon", "dpkg", "setpriv")
	deb := built(t, ".deb")
	out := filepath.Join(t.TempDir(), "out")
	said := run(t, "unshare", "--mount", "bash", "testdata/boot.sh", deb, "testdata/inside.sh", out)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if !strings.HasSuffix(string(text), "\ninside: all is well\n") {
		t.Fatalf("%s\n%s", said, text)
	}
	t.Logf("%s", text)
}
