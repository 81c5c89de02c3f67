package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// example is config.example.toml as it is shipped.
func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// commented matches the lines of the example that are ready to be used.
var commented = regexp.MustCompile(`(?m)^#(\[|[a-z0-9_]+ = )`)

func TestExampleIsTheDefault(t *testing.T) {
	got := load(t, example(t))
	got.Path = ""
	if !reflect.DeepEqual(got, Default()) {
		t.Errorf("got %+v; want %+v", got, Default())
	}
}

func TestExampleUncommented(t *testing.T) {
	got := load(t, commented.ReplaceAllString(example(t), "$1"))
	if len(got.Provider) != 1 || len(got.Account) != 1 {
		t.Errorf("the tables are not there: %+v", got)
	}
	// What the lines show has to be the default.
	got.Path, got.Provider, got.Account = "", Default().Provider, Default().Account
	if !reflect.DeepEqual(got, Default()) {
		t.Errorf("got %+v; want %+v", got, Default())
	}
}

func TestExampleHasEveryKey(t *testing.T) {
	lines := map[string]bool{} // "table.key", tables of tables without their names
	table := ""
	for line := range strings.Lines(example(t)) {
		line = strings.TrimPrefix(line, "#")
		if name, ok := strings.CutPrefix(line, "["); ok {
			table, _, _ = strings.Cut(strings.TrimRight(name, "]\n"), ".")
		} else if key, _, ok := strings.Cut(line, " = "); ok {
			lines[table+"."+key] = true
		}
	}
	var walk func(v reflect.Type, at string)
	walk = func(v reflect.Type, at string) {
		for f := range v.Fields() {
			tag := f.Tag.Get("toml")
			switch {
			case tag == "-":
			case tag == "":
				t.Errorf("%s.%s has no toml tag", v, f.Name)
			case f.Type.Kind() == reflect.Struct:
				walk(f.Type, tag)
			case f.Type.Kind() == reflect.Map:
				walk(f.Type.Elem(), tag)
			case !lines[at+"."+tag]:
				t.Errorf("config.example.toml does not explain %s.%s", at, tag)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
}
