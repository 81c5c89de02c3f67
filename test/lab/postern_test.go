package lab

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the postern binary with a configuration and a state directory of its own.
type program struct {
	t         *testing.T
	dir       string
	accounts  []string
	passwords []string // local ones; neither a log nor Dovecot may see them
}

// configure writes a configuration with the lab's servers as provider "lab"; upstream is its IMAP.
func configure(t *testing.T, upstream string, accounts ...string) *program {
	t.Helper()
	return configureDoors(t, doors{imap: upstream}, accounts...)
}

// doors are one server's addresses; "" = that protocol is off.
type doors struct{ imap, pop3, smtp string }

func (d doors) toml() (listen, provider, scopes string) {
	for _, door := range []struct{ key, address, scope string }{{"imap", d.imap, imapScope}, {"pop3", d.pop3, popScope}, {"smtp", d.smtp, smtpScope}} {
		if door.address != "" {
			listen += door.key + " = \"127.0.0.1:0\"\n"
			provider += fmt.Sprintf("%s = %q\n", door.key, door.address)
			scopes += fmt.Sprintf("%q, ", door.scope)
		}
	}
	return listen, provider, scopes
}

func configureDoors(t *testing.T, d doors, accounts ...string) *program {
	t.Helper()
	needPostern(t)
	// Not t.TempDir: a Unix socket below a long test's name would not fit in 107 characters.
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var toml strings.Builder
	listen, provider, scopes := d.toml()
	fmt.Fprintf(&toml, `[listen]
%sweb = ""

[provider.lab]
authorize_url = %q
token_url = %q
device_url = %q
scopes = [%s"offline_access"]
%sca_file = "ca.pem"
`, listen, endpoint("authorize"), endpoint("token"), endpoint("devicecode"), scopes, provider)
	for _, email := range accounts {
		fmt.Fprintf(&toml, "\n[account.%q]\nprovider = \"lab\"\nclient_id = %q\n", email, clientID)
	}
	ca, err := os.ReadFile(lab.ca)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"config.toml": []byte(toml.String()), "ca.pem": ca} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &program{t: t, dir: dir, accounts: accounts}
}

func (p *program) command(ctx context.Context, args ...string) *exec.Cmd {
	global := []string{"--config", filepath.Join(p.dir, "config.toml"), "--state", filepath.Join(p.dir, "state"), "--log-format", "json"}
	cmd := exec.CommandContext(ctx, postern, append(global, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Dir = p.dir
	// A home without a desktop: no keyring, no browser, nothing of this machine's user.
	cmd.Env = []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// run lets a command end and returns what it printed, and its exit code.
func (p *program) run(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	cmd := p.command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		p.t.Fatalf("postern %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (p *program) ok(args ...string) (stdout string) {
	p.t.Helper()
	stdout, stderr, code := p.run(args...)
	if code != 0 {
		p.t.Fatalf("postern %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

var (
	authorizeLink = regexp.MustCompile(`(https?://[^\s"]+/authorize\?[^\s"]+)\s`)
	deviceLink    = regexp.MustCompile(`(https?://[^\s"]+/deviceauth)\b`)
	deviceCode    = regexp.MustCompile(`\b([B-Z]{4}-[B-Z]{4})\b`)
	password      = regexp.MustCompile(`[A-Za-z0-9_-]{22,}`)
	boundAddress  = regexp.MustCompile(`127\.0\.0\.1:[1-9]\d*`)
)

// signIn signs an account in through the authorization page, with a person who follows the link.
func (p *program) signIn(email string) {
	p.t.Helper()
	login := p.start("login", email, "--no-browser")
	link := login.await(p.t, authorizeLink)
	status, at, page, err := newPerson(email).visit(link, "")
	if err != nil || status != 200 || at.Hostname() != "localhost" {
		p.t.Fatalf("the person ended at %v with status %d: %v\n%s\n%s", at, status, err, page, login.out)
	}
	if err := login.end(p.t); err != nil {
		p.t.Fatalf("login: %v\n%s", err, login.out)
	}
}

func (p *program) signInDevice(email string) {
	p.t.Helper()
	login := p.start("login", email, "--device")
	link, code := login.await(p.t, deviceLink), login.await(p.t, deviceCode)
	if status, at, page, err := newPerson(email).visit(link, code); err != nil || status != 200 || !strings.Contains(page, "Signed in") {
		p.t.Fatalf("the person ended at %v with status %d: %v\n%s\n%s", at, status, err, page, login.out)
	}
	if err := login.end(p.t); err != nil {
		p.t.Fatalf("login --device: %v\n%s", err, login.out)
	}
}

func (p *program) addPassword(email string, flags ...string) string {
	p.t.Helper()
	out := p.ok(append([]string{"password", "add", email}, flags...)...)
	all := password.FindAllString(out, -1)
	if len(all) == 0 {
		p.t.Fatalf("no password in %q", out)
	}
	secret := slices.MaxFunc(all, func(a, b string) int { return len(a) - len(b) })
	p.passwords = append(p.passwords, secret)
	return secret
}

// daemon is a running "postern serve".
type daemon struct {
	*process
	addr string // of the IMAP listener
}

func (p *program) serve() *daemon {
	p.t.Helper()
	d := &daemon{process: p.start("--log-level", "debug", "serve")}
	eventually(p.t, patience, "serve says where it listens", func() bool {
		select {
		case err := <-d.exited:
			p.t.Fatalf("serve ended: %v\n%s", err, d.out)
		default:
		}
		for line := range strings.Lines(d.out.String()) {
			if !strings.Contains(strings.ToLower(line), "imap") {
				continue
			}
			for _, addr := range boundAddress.FindAllString(line, -1) {
				if addr != lab.oauth && addr != lab.bearer && addr != lab.plain {
					d.addr = addr
					return true
				}
			}
		}
		return false
	})
	p.t.Cleanup(func() { p.checkSecrets(d) })
	return d
}

// checkSecrets looks for the local passwords in all that reached Dovecot's authentication, which
// logs what it is given, and for them and every token in Postern's own log at level debug.
func (p *program) checkSecrets(d *daemon) {
	p.t.Helper()
	if leaked(dovecotLog(p.t), p.passwords...) {
		p.t.Error("a local password reached Dovecot")
	}
	log, issued := d.out.String(), counts(p.t).Issued
	if leaked(log, p.passwords...) {
		p.t.Error("Postern's log has a local password")
	}
	for _, email := range p.accounts {
		if leaked(log, slices.Concat(issued[email].Access, issued[email].Refresh)...) {
			p.t.Error("Postern's log has a token of", email)
		}
	}
}

// leaked says whether a text has one of the secrets, as it is or within something in base64.
func leaked(text string, secrets ...string) bool {
	return slices.ContainsFunc(secrets, func(secret string) bool {
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:shift] + secret))
			if strings.Contains(text, encoded[4:len(encoded)-4]) { // what neighbours can not change
				return true
			}
		}
		return strings.Contains(text, secret)
	})
}

func dovecotLog(t *testing.T) string {
	var all strings.Builder
	for _, name := range []string{"oauth", "bearer"} {
		b, err := os.ReadFile(filepath.Join(lab.run, "log", "dovecot-"+name+".log"))
		if err != nil {
			t.Error(err)
		}
		all.Write(b)
	}
	return all.String()
}

func (d *daemon) port() string {
	return portOf(d.addr)
}

// connect logs in through Postern.
func (d *daemon) connect(t *testing.T, user, password string) *imap {
	t.Helper()
	c := dial(t, d.addr)
	if status := c.login(user, password); !strings.HasPrefix(status, "OK") {
		t.Fatalf("login of %s: %s\n%s", user, status, d.out)
	}
	return c
}
