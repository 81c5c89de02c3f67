package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// packageVersion is what the packages under test say they are.
const packageVersion = "9.8.7"

// needLab skips a test that changes this system, or needs what packaging/test installs: it runs with LAB=1 only.
// There, with CI=true, a missing program is a failure.
func needLab(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("LAB") != "1" {
		if os.Getenv("CI") == "true" && os.Getenv("LAB") != "0" {
			t.Fatal("the tests of the packages have to run in CI: see packaging/test")
		}
		t.Skip("the tests of units and packages run only with LAB=1: see packaging/test")
	}
	missing := func(what string) {
		t.Helper()
		fmt.Fprintln(os.Stderr, "packages: MISSING:", what)
		if os.Getenv("CI") == "true" {
			t.Fatalf("missing: %s (packaging/test installs it)", what)
		}
		t.Skipf("missing: %s (packaging/test installs it)", what)
	}
	for _, p := range programs {
		if p == "root" {
			if os.Getuid() != 0 {
				missing("root's rights")
			}
			continue
		}
		if _, err := exec.LookPath(p); err != nil {
			missing(p)
		}
	}
}

// run runs a command and returns what it prints; it has to succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "MANPAGER=cat", "PAGER=cat")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// built makes the packages once for all tests, and returns that of this machine's architecture that ends like this.
func built(t *testing.T, ending string) string {
	t.Helper()
	if out, err := makePackages(); err != nil {
		t.Fatalf("make packages: %v\n%s", err, out)
	}
	arch := runtime.GOARCH
	if names := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}; ending == ".rpm" && names[arch] != "" {
		arch = names[arch]
	}
	found, err := filepath.Glob(filepath.Join("..", "dist", "*"+packageVersion+"*"+arch+ending))
	if err != nil || len(found) != 1 {
		t.Fatalf("dist has %q: %v", found, err)
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var makePackages = sync.OnceValues(func() ([]byte, error) {
	return exec.Command("make", "-C", "..", "packages", "VERSION="+packageVersion).CombinedOutput()
})

func program(t *testing.T) string {
	t.Helper()
	built(t, ".deb")
	path, err := filepath.Abs(filepath.Join("..", "dist", "linux-"+runtime.GOARCH, "postern"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
