package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/emulator"
)

// builtPostern is the program as it is shipped: without the race detector, and a process of its own.
func builtPostern(t *testing.T) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildDirectory names where it is built; TestMain sets it.
const buildDirectory = "POSTERN_TEST_BUILD"

var buildOnce = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.Getenv(buildDirectory), "postern")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	cmd := exec.Command("go", "build", "-o", path, "postern/cmd/postern")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// withBuild runs the tests with a directory for what they build.
type withBuild struct{ m *testing.M }

func (w withBuild) Run() int {
	dir, err := os.MkdirTemp("", "postern-built")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv(buildDirectory, dir)
	return w.m.Run()
}

// household is the built program with a home, a configuration and a stand-in for Microsoft.
type household struct {
	t       *testing.T
	path    string
	dir     string
	outlook *emulator.Emulator
	env     []string
}

func newHousehold(t *testing.T, opt emulator.Options) *household {
	t.Helper()
	e, err := emulator.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	h := &household{t: t, path: builtPostern(t), dir: t.TempDir(), outlook: e}
	for _, name := range []string{"PATH", "SYSTEMROOT", "TMPDIR", "TEMP"} {
		if v := os.Getenv(name); v != "" {
			h.env = append(h.env, name+"="+v)
		}
	}
	h.env = append(h.env, "HOME="+h.dir, "POSTERN_CONFIG="+filepath.Join(h.dir, "config.toml"), "POSTERN_STATE="+filepath.Join(h.dir, "state"))
	h.write("ca.pem", string(e.CAPEM()))
	return h
}

func (h *household) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// add puts text behind a file's own.
func (h *household) add(name, text string) {
	h.t.Helper()
	old, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(name, string(old)+text)
}

// configure writes the configuration; tokenURL may lead through something in between.
func (h *household) configure(tokenURL string, accounts ...string) {
	h.t.Helper()
	id := h.outlook.Identity
	text := fmt.Sprintf(`[listen]
imap = "127.0.0.1:0"
web = ""
[provider.lab]
authorize_url = %q
token_url = %q
device_url = %q
tenant = "common"
scopes = [%q, "offline_access"]
imap = %q
ca_file = "ca.pem"
`, id.AuthorizeURL("{tenant}"), tokenURL, id.DeviceURL("{tenant}"), emulator.ScopeIMAP, h.outlook.IMAP.Addr())
	for _, a := range accounts {
		text += fmt.Sprintf("[account.%q]\nprovider = \"lab\"\nclient_id = %q\n", a, emulator.SampleClientID)
	}
	h.write("config.toml", text)
}

func (h *household) command(args ...string) *exec.Cmd {
	cmd := exec.Command(h.path, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	return cmd
}

// run wants the command to succeed and returns what it printed.
func (h *household) run(args ...string) string {
	h.t.Helper()
	cmd := h.command(args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("postern %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

// signIn starts a login and plays the person at the browser. It returns what the login printed.
func (h *household) signIn(cmd *exec.Cmd, as string) (string, error) {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	return h.browse(stderr, as), cmd.Wait()
}

// browse reads what a login prints, and goes where it sends the person.
func (h *household) browse(stderr io.Reader, as string) string {
	var all strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&all, lines.Text())
		if u := aURL.FindString(lines.Text()); strings.Contains(u, "/authorize?") {
			if err := visit(h.outlook, u, as); err != nil {
				fmt.Fprintln(&all, "browser:", err)
			}
		}
	}
	return all.String()
}

// daemonProcess is a running `postern serve`.
type daemonProcess struct {
	cmd    *exec.Cmd
	imap   string
	log    string        // file with its standard error
	over   chan struct{} // closed when the process has ended
	silent chan struct{} // closed when what it has started has ended too
}

// serve starts a daemon and waits until it listens.
func (h *household) serve(args ...string) (*daemonProcess, error) {
	return h.start(h.command(append(args, "--log-level", "debug", "serve")...))
}

// start is serve with a command of the test's own.
func (h *household) start(cmd *exec.Cmd) (*daemonProcess, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	log, err := os.CreateTemp(h.dir, "daemon-*.log")
	if err != nil {
		return nil, err
	}
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &daemonProcess{cmd: cmd, log: log.Name(), over: make(chan struct{}), silent: make(chan struct{})}
	at := make(chan string, 1)
	go func() {
		cmd.Wait()
		close(d.over)
	}()
	go func() {
		defer close(d.silent)
		for lines := bufio.NewScanner(io.TeeReader(r, log)); lines.Scan(); {
			if m := ready.FindStringSubmatch(lines.Text()); m != nil && m[1] == "imap" {
				at <- m[2]
			}
		}
		r.Close()
		log.Close()
	}()
	select {
	case d.imap = <-at:
		return d, nil
	case <-d.over:
	case <-time.After(time.Minute):
		d.kill()
	}
	text, _ := os.ReadFile(d.log)
	return nil, fmt.Errorf("the daemon does not listen:\n%s", text)
}

// kill ends the process, but nothing that it has started.
func (d *daemonProcess) kill() {
	d.cmd.Process.Kill()
	<-d.over
}
