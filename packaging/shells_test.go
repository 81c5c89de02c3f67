package packaging

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completions is a directory with the program in bin and each shell's script.
func completions(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	path := program(t)
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(dir, "bin", "postern")); err != nil {
		t.Fatal(err)
	}
	for shell, name := range map[string]string{"bash": "postern.bash", "zsh": "_postern", "fish": "postern.fish"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(run(t, path, "completion", shell)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("HOME", dir)
	t.Setenv("POSTERN_STATE", filepath.Join(dir, "state"))
	run(t, path, "account", "add", "ann@example.com", "--client-id", "00000000-0000-0000-0000-000000000000")
	return dir
}

// tries are what a person has typed, and what the shell is to offer.
var tries = []struct {
	typed string
	want  []string
}{
	{"postern lo", []string{"login", "logout"}},
	{"postern service un", []string{"uninstall"}},
	{"postern login ", []string{"ann@example.com"}},
	{"postern --log-level=d", []string{"--log-level=debug"}},
	{"postern completion ", []string{"bash", "zsh", "fish"}},
	{"postern --config /etc/host", []string{"/etc/hosts"}},
}

func TestBash(t *testing.T) {
	needLab(t, "make", "bash")
	dir := completions(t)
	script := filepath.Join(dir, "postern.bash")
	run(t, "bash", "-n", script)
	for _, try := range tries {
		// bash itself says which part of the word it replaces: what follows the last of its word breaks.
		out := run(t, "bash", "-c", `source "$1"; compopt() { :; }; COMP_LINE=$2 COMP_POINT=${#2}; _postern; printf '%s\n' "${COMPREPLY[@]}"`, "bash", script, try.typed)
		for _, want := range try.want {
			if _, after, ok := strings.Cut(want, "="); ok {
				want = after
			}
			if !slices.Contains(strings.Split(out, "\n"), want) {
				t.Errorf("%q offers %q, not %q", try.typed, out, want)
			}
		}
	}
}

func TestFish(t *testing.T) {
	needLab(t, "make", "fish")
	dir := completions(t)
	script := filepath.Join(dir, "postern.fish")
	run(t, "fish", "-n", script)
	for _, try := range tries {
		out := run(t, "fish", "-c", "source $argv[1]; complete -C $argv[2]", script, try.typed)
		for _, want := range try.want {
			if !slices.ContainsFunc(strings.Split(out, "\n"), func(line string) bool {
				word, _, _ := strings.Cut(line, "\t")
				return word == want
			}) {
				t.Errorf("%q offers %q, not %q", try.typed, out, want)
			}
		}
	}
}

// zsh completes only in a terminal, so the words that it would offer are taken where it gets them.
func TestZsh(t *testing.T) {
	needLab(t, "make", "zsh")
	dir := completions(t)
	script := filepath.Join(dir, "_postern")
	run(t, "zsh", "-n", script)
	for _, try := range tries {
		out := run(t, "zsh", "-f", "-c", `
			compdef() { : }; compset() { : }
			_files() { print -rl -- ${PREFIX}*(N) }
			_describe() { print -rl -- "${(@)${(P)2}%%:*}" }
			script=$1 typed=$2
			source $script
			words=(${(z)typed}) CURRENT=$#words PREFIX=$words[-1]
			[[ $typed == *' ' ]] && { words+=('') CURRENT=$#words PREFIX= }
			_postern`, "zsh", script, try.typed)
		for _, want := range try.want {
			if !slices.Contains(strings.Split(out, "\n"), want) {
				t.Errorf("%q offers %q, not %q", try.typed, out, want)
			}
		}
	}
}
