//go:build unix

package main

import (
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// lookAtProcesses keeps the arguments and the environment of every process of ours that runs now.
func (l *life) lookAtProcesses() {
	l.t.Helper()
	if runtime.GOOS != "linux" {
		l.t.Log("the arguments of running processes are looked at on Linux only")
		return
	}
	seen := ""
	programs, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, p := range programs {
		if to, _ := os.Readlink(p); to != l.path {
			continue
		}
		argv, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "environ"))
		seen += strings.ReplaceAll(string(argv)+string(env), "\x00", "\n")
	}
	l.said.WriteString(seen)
	for _, name := range []string{"serve\n", "token\n", renewCommand + "\n"} {
		if !strings.Contains(seen, name) {
			l.t.Errorf("there is no process with %q among\n%s", name, seen)
		}
	}
}

// search looks for every secret in every disguise.
func (l *life) search() {
	l.t.Helper()
	secrets := append(l.secrets, l.outlook.Identity.Secrets()...)
	said := strings.ToLower(l.said.String())
	for _, s := range secrets {
		if len(s) < 8 {
			l.t.Errorf("%q is no secret", s)
		}
		if d, found := disguised(said, s); found {
			at := strings.Index(said, d)
			l.t.Errorf("%.20q… gets out as %.30q: …%s…", s, d, said[max(0, at-200):min(len(said), at+50)])
		}
	}
	// The search can find: the results have the tokens, plainly and in base64.
	found := 0
	results := strings.ToLower(l.results.String())
	for _, s := range secrets {
		if _, ok := disguised(results, s); ok {
			found++
		}
	}
	l.t.Logf("%d bytes searched for %d secrets; %d are in the results", len(said), len(secrets), found)
	if len(secrets) < 30 || found < 3 || !strings.Contains(said, "code_challenge=") || !strings.Contains(said, `msg="token refreshed"`) {
		l.t.Errorf("%d secrets, %d of them in the results: this life is too short", len(secrets), found)
	}
	if d, ok := disguised(strings.ToLower("x "+plainProof(killed, l.local)), l.local); !ok {
		l.t.Errorf("base64 is not seen through: %q", d)
	}
}

// disguised finds a secret in a text in lower case: as it is, in a URL, in JSON, and in base64 at any place.
func disguised(text, secret string) (as string, found bool) {
	forms := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(strconv.Quote(secret), `"`)}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			b := e.EncodeToString(append(make([]byte, shift), secret...))
			forms = append(forms, b[(shift*8+5)/6:len(b)-2])
		}
	}
	for _, f := range forms {
		if f = strings.ToLower(f); strings.Contains(text, f) {
			return f, true
		}
	}
	return "", false
}
