package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bed is what the running servers said about themselves in lab.env.
type bed struct {
	oidc   string // base URL of the OAuth2 server
	oauth  string // IMAP over TLS: tokens only
	bearer string // IMAP over TLS: OAUTHBEARER only
	plain  string // IMAP without TLS: password, no Postern

	oauthPOP3, bearerPOP3 string // over TLS
	oauthSMTP, bearerSMTP string // with STARTTLS; what they take ends in the sink
	ca                    string // PEM file

	browser     string // Chromium
	thunderbird string // the directory of the program

	mailPassword, introspectSecret string

	roots *x509.CertPool
	run   string // $LAB_RUN
}

var (
	lab      bed
	skipped  string // why nothing here runs; "" = it runs
	postern  string // path of the binary under test
	notBuilt error  // why there is none
)

func TestMain(m *testing.M) { os.Exit(runLab(m)) }

func runLab(m *testing.M) int {
	ci := os.Getenv("CI") == "true"
	switch want := os.Getenv("LAB"); {
	case want == "1", ci && want != "0":
	default:
		skipped = "the lab (real Dovecot, OAuth2 server and clients) runs only with LAB=1: see test/lab/run"
		fmt.Fprintln(os.Stderr, "lab: SKIPPED:", skipped)
		return m.Run()
	}
	if out, err := script("missing").Output(); err != nil {
		skipped = "missing: " + strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", ", ") + " (test/lab/bed install)"
		if ci {
			fmt.Fprintln(os.Stderr, "lab: FAILED:", skipped)
			return 1
		}
		fmt.Fprintln(os.Stderr, "lab: SKIPPED:", skipped)
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab: FAILED:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	postern = filepath.Join(dir, "postern")
	notBuilt = build(postern)

	if err := lab.start(); err != nil {
		fmt.Fprintln(os.Stderr, "lab: FAILED: bed up:", err)
		return 1
	}
	defer script("down").Run()
	return m.Run()
}

func script(verb string) *exec.Cmd {
	cmd := exec.Command("./bed", verb)
	cmd.Env = append(os.Environ(), fmt.Sprintf("LAB_WHILE=%d", os.Getpid()))
	if verb != "down" {
		cmd.Stderr = os.Stderr
	}
	return cmd
}

func build(path string) error {
	cmd := exec.Command("go", "build", "-o", path, "postern/cmd/postern")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build postern/cmd/postern: %w\n%s", err, out)
	}
	return nil
}

func (b *bed) start() error {
	out, err := script("up").Output()
	if err != nil {
		return err
	}
	at := map[string]*string{
		"LAB_OIDC": &b.oidc, "LAB_OAUTH": &b.oauth, "LAB_BEARER": &b.bearer, "LAB_PLAIN": &b.plain, "LAB_CA": &b.ca,
		"LAB_OAUTH_POP3": &b.oauthPOP3, "LAB_BEARER_POP3": &b.bearerPOP3, "LAB_OAUTH_SMTP": &b.oauthSMTP, "LAB_BEARER_SMTP": &b.bearerSMTP,
		"LAB_MAIL_PASSWORD": &b.mailPassword, "LAB_INTROSPECT_SECRET": &b.introspectSecret,
		"LAB_BROWSER": &b.browser, "LAB_THUNDERBIRD": &b.thunderbird,
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		if p := at[key]; p != nil {
			*p = value
			delete(at, key)
		}
	}
	if len(at) > 0 {
		return fmt.Errorf("lab.env lacks %v", at)
	}
	b.run = filepath.Dir(filepath.Dir(b.ca))
	pem, err := os.ReadFile(b.ca)
	if err != nil {
		return err
	}
	b.roots = x509.NewCertPool()
	if !b.roots.AppendCertsFromPEM(pem) {
		return errors.New("no certificate in " + b.ca)
	}
	return nil
}

// needServers skips the test, with the reason, where the lab does not run.
func needServers(t *testing.T) {
	t.Helper()
	if skipped != "" {
		t.Skip(skipped)
	}
}

func needPostern(t *testing.T) {
	t.Helper()
	needServers(t)
	if notBuilt != nil {
		t.Fatal(notBuilt)
	}
}

// eventually polls until done says yes; what says in words what did not happen.
func eventually(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
