package lab

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// files lists the messages in the Maildirs at and below dir, or only at it.
func files(t *testing.T, dir string, below bool) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		in := filepath.Dir(path)
		if name := filepath.Base(in); (name == "cur" || name == "new") && (below || filepath.Dir(in) == dir) {
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func fileBodies(t *testing.T, dir string) (all [][]byte) {
	t.Helper()
	for _, f := range files(t, dir, false) {
		all = append(all, must(os.ReadFile(f)))
	}
	return all
}

func filesBySubject(t *testing.T, dir string) map[string]string {
	t.Helper()
	by := map[string]string{}
	for _, f := range files(t, dir, false) {
		by[message{body: crlf(must(os.ReadFile(f)))}.subject()] = f
	}
	return by
}

func crlf(b []byte) []byte { return bytes.ReplaceAll(unixLines(b), []byte("\n"), []byte("\r\n")) }

// setFlags gives a Maildir's message other flags, as a mail reader does: by a new name in cur.
func setFlags(t *testing.T, path, flags string) {
	t.Helper()
	if path == "" {
		t.Fatal("no such message to flag")
	}
	base, _, _ := strings.Cut(filepath.Base(path), ":2,")
	if err := os.Rename(path, filepath.Join(filepath.Dir(filepath.Dir(path)), "cur", base+":2,"+flags)); err != nil {
		t.Fatal(err)
	}
}

func deliver(t *testing.T, dir string, body []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "new", "1767225600."+rand.Text()+".lab"), body, 0o600); err != nil {
		t.Fatal(err)
	}
}

var (
	uidInName = regexp.MustCompile(`,U=(\d+)`)
	added     = regexp.MustCompile(`(?m)^(X-TUID|Content-Length|Lines): .*\r?\n`)
)

// asSent drops the header lines that clients add to what they copy: mbsync X-TUID, mutt the others.
func asSent(b []byte) []byte {
	for _, blank := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(b, []byte(blank)); i >= 0 {
			i += len(blank) / 2
			return slices.Concat(added.ReplaceAll(b[:i], nil), b[i:])
		}
	}
	return b
}

// inventory describes a synchronised tree: for each mailbox and UID the flags and a hash of the bytes.
func inventory(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, f := range files(t, dir, true) {
		name := filepath.Base(f)
		uid := uidInName.FindStringSubmatch(name)
		if uid == nil {
			t.Errorf("no UID in the name of %s", f)
			continue
		}
		_, flags, _ := strings.Cut(name, ":2,")
		box, _ := filepath.Rel(dir, filepath.Dir(filepath.Dir(f)))
		all[box+" "+uid[1]] = flags + " " + sum(asSent(must(os.ReadFile(f))))
	}
	return all
}

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
