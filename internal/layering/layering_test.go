// Package layering holds the rule of which package may import which, as a test: arrows point one way,
// cmd → control → proxy → auth → store. It also holds that every package says what it is for, once.
// Nobody imports it.
package layering

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "postern/"

// rule says what a package may import of this project, and why no more. Tests may import anything.
type rule struct {
	imports []string
	why     string
}

// rules are the layers from the top to the bottom. A new package gets a row here and one in docs/architecture.md.
var rules = map[string]rule{
	"cmd/postern": {
		[]string{"auth", "internal/config", "internal/control", "internal/emulator", "internal/memory", "internal/migration", "internal/store", "packaging", "proxy"},
		"it puts the program together; it alone reads the configuration and starts the stand-in"},
	"internal/control": {
		[]string{"auth", "proxy"},
		"it shows and steers what runs, and does not care where tokens are kept or what the file says"},
	"proxy": {
		[]string{"auth"},
		"the relay asks for a token and must not know where it lives or how it was got"},
	"auth": {
		[]string{"internal/store"},
		"a token's life must not depend on a socket or on a client"},
	"internal/store": {
		nil,
		"it keeps records whatever they mean"},
	"internal/config": {
		nil,
		"what a file may say is no concern of those who get its values as options"},
	"internal/migration": {
		[]string{"internal/store"},
		"it reads what other programs wrote; of the store it needs only the type of secrets, which never prints"},
	"internal/memory": {
		nil,
		"the collector is the process's, whatever the process does"},
	"internal/emulator": {
		nil,
		"a stand-in that used our own code would share its mistakes"},
	"packaging": {
		nil,
		"it is what a system starts the program with, and has no code of its own"},
	"internal/layering": {
		nil,
		"it is a test"},
	"test/bench": {
		[]string{"auth", "internal/memory", "proxy"},
		"it measures the relay, with accounts and tokens of its own"},
	"test/lab": {
		nil,
		"it knows the program only from outside, as a user does"},
}

// pkg is what `go list -json` says about a package.
type pkg struct {
	ImportPath, Dir                                              string
	Imports                                                      []string
	GoFiles, CgoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
	Error                                                        *struct{ Err string }
}

// list returns the packages as one system sees them; files and imports may differ.
func list(t *testing.T, system string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Imports,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,Error", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImports(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			found := map[string]bool{}
			for _, p := range list(t, system) {
				name := strings.TrimPrefix(p.ImportPath, module)
				found[name] = true
				r, ok := rules[name]
				if !ok {
					t.Errorf("%s has no row: add its layer here and to docs/architecture.md", name)
					continue
				}
				for _, path := range p.Imports {
					if to, ours := strings.CutPrefix(path, module); ours && !slices.Contains(r.imports, to) {
						t.Errorf("%s imports %s, and may not: %s", name, to, r.why)
					}
				}
			}
			for name := range rules {
				if !found[name] {
					t.Errorf("%s has a row and does not exist", name)
				}
			}
		})
	}
}

// The table itself must not allow what the rule forbids.
func TestRules(t *testing.T) {
	for name, r := range rules {
		for _, to := range r.imports {
			if (to == "internal/config" || to == "internal/emulator") && !strings.HasPrefix(name, "cmd/") {
				t.Errorf("%s may import %s: only cmd may", name, to)
			}
			if slices.Contains(rules[to].imports, name) {
				t.Errorf("%s and %s may import each other", name, to)
			}
		}
		if r.why == "" {
			t.Errorf("%s: no reason", name)
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range list(t, "linux") {
		files := slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles)
		if len(p.GoFiles) == 0 {
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		var with []string
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Error(err)
			} else if f.Doc != nil {
				with = append(with, file)
			}
		}
		if len(with) != 1 {
			t.Errorf("%s has %d package comments, in %q; want one, which says what it does, what it does not, and who calls it",
				p.ImportPath, len(with), with)
		}
	}
}
