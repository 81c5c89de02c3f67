package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"unicode"

	"postern/internal/config"
	"postern/packaging"
)

// machine is what a service has to know of where it is to run.
type machine struct {
	root       string // before every path of the system; "" but in tests
	home       string
	configHome string // $XDG_CONFIG_HOME, of the user manager where one runs
	runtimeDir string // $XDG_RUNTIME_DIR, or where it would be
	user       string
	uid        int
	sudo       bool
}

func thisMachine() machine {
	m := machine{configHome: os.Getenv("XDG_CONFIG_HOME"), runtimeDir: os.Getenv("XDG_RUNTIME_DIR"), uid: os.Getuid(), user: os.Getenv("USER")}
	m.home, _ = os.UserHomeDir()
	if u, err := user.Current(); err == nil {
		m.user = u.Username
	}
	if m.runtimeDir == "" {
		m.runtimeDir = fmt.Sprintf("/run/user/%d", m.uid) // su and cron do not set it
	}
	m.sudo = m.uid == 0 && os.Getenv("SUDO_USER") != ""
	return m
}

// booted says whether systemd runs this system (sd_booted(3)).
func (m machine) booted() bool { return isDir(m.root + "/run/systemd/system") }

// program is how the daemon is to be called.
type program struct {
	path  string
	flags []string // global flags
	state string   // the state directory, if it is not where the service would look; else ""
}

// words is a whole command line.
func (p program) words(command string) []string {
	return append(append([]string{p.path}, p.flags...), command)
}

// daemonCommand is this program with the flags that this call has, so that the service finds the same
// configuration and the same accounts.
func (a *app) daemonCommand() (program, error) {
	path, err := ownPath()
	if err != nil {
		return program{}, failed(fmt.Errorf("where this program is: %w", err), "")
	}
	if strings.Contains(path, string(filepath.Separator)+"go-build") {
		return program{}, failed(errors.New("this program was started by go run, and is gone afterwards"), "go build ./cmd/postern, put it on your PATH, and use that")
	}
	p := program{path: path}
	g := a.o.global
	file := absolute(firstOf(g.config, os.Getenv("POSTERN_CONFIG")))
	if file == "" && os.Getenv("XDG_CONFIG_HOME") != "" {
		// The service may not have that variable. A file that is named has to exist.
		if _, err := os.Stat(config.DefaultPath()); err == nil {
			file = config.DefaultPath()
		}
	}
	if file != "" {
		p.flags = append(p.flags, "--config", file)
	}
	if state := a.stateDir(); state != config.DefaultStateDir() || os.Getenv("XDG_STATE_HOME") != "" {
		p.state = state
		p.flags = append(p.flags, "--state", state)
	}
	if g.logLevel != "" {
		p.flags = append(p.flags, "--log-level", g.logLevel)
	}
	if g.logFormat != "" {
		p.flags = append(p.flags, "--log-format", g.logFormat)
	}
	for _, word := range append([]string{path}, p.flags...) {
		if strings.ContainsAny(word, `"'\$`) && filepath.Separator == '/' || strings.ContainsFunc(word, unicode.IsControl) {
			return program{}, failed(fmt.Errorf("%q has characters that not every system takes in the path of a service", word), "move it, or name it differently")
		}
	}
	return p, nil
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// ownPath is where this program is. The name on PATH goes before what it points to: the one stays when a package
// manager replaces the other.
func ownPath() (string, error) {
	real, err := os.Executable()
	if err != nil {
		return "", err
	}
	named, err := exec.LookPath("postern")
	if err != nil {
		return real, nil
	}
	a, errA := os.Stat(named)
	b, errB := os.Stat(real)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return filepath.Abs(named)
	}
	return real, nil
}

// shipped is one of the files in packaging.
func shipped(name string) (string, error) {
	text, err := packaging.Files.ReadFile(name)
	return strings.ReplaceAll(string(text), "\r\n", "\n"), err
}

func execute(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}
