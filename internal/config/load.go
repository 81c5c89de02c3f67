package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Load reads and checks the file at path. builtIn are the names of the providers that need no table. With
// an empty path it reads the file at DefaultPath, and returns Default when there is none; a path that is
// given has to exist (fs.ErrNotExist). All problems are joined into one error, each
// `file: key: what (did you mean "x"?)`; with an error there is no Config.
func Load(path string, builtIn []string) (*Config, error) {
	optional := path == ""
	if optional {
		path = DefaultPath()
	}
	text, err := os.ReadFile(path)
	if optional && (path == "" || errors.Is(err, fs.ErrNotExist)) {
		return Default(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	c, err := parse(text, path, filepath.Dir(abs), builtIn)
	if err != nil {
		return nil, err
	}
	c.Path = abs
	return c, nil
}

// parse reads and checks a file's text. Its relative paths start at dir; name is for the problems.
func parse(text []byte, name, dir string, builtIn []string) (*Config, error) {
	var tree map[string]any
	if _, err := toml.Decode(string(text), &tree); err != nil {
		// The library repeats what it read; a problem is one line.
		oneLine := strings.NewReplacer("\n", `\n`, "\r", `\r`)
		if e, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, fmt.Errorf("%s: line %d, column %d: %s", name, e.Position.Line, max(1, e.Position.Col), oneLine.Replace(e.Message))
		}
		return nil, fmt.Errorf("%s: %s", name, oneLine.Replace(err.Error()))
	}
	c := Default()
	d := decoder{problems: problems{file: name}, root: reflect.TypeFor[Config]()}
	d.table(nil, tree, reflect.ValueOf(c).Elem())
	c.foldAccounts(&d.problems)
	c.resolve(dir)
	c.check(&d.problems, builtIn)
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// foldAccounts keys the accounts by their lower-cased address and fills in the flow.
func (c *Config) foldAccounts(p *problems) {
	written := map[string]string{}
	folded := map[string]Account{}
	for _, name := range sortedKeys(c.Account) {
		email := strings.ToLower(name)
		if first, ok := written[email]; ok {
			p.add(toml.Key{"account", name}, "is the account %q again: addresses compare without case", first)
			continue
		}
		a := c.Account[name]
		if a.Flow == "" {
			a.Flow = flowBrowser
		}
		written[email], folded[email] = name, a
	}
	c.Account = folded
}

// resolve makes relative paths absolute.
func (c *Config) resolve(dir string) {
	home, homeErr := os.UserHomeDir()
	abs := func(path *string) {
		rest, atHome := strings.CutPrefix(*path, "~/")
		switch {
		case *path == "" || filepath.IsAbs(*path):
		case atHome && homeErr == nil:
			*path = filepath.Join(home, rest)
		default:
			*path = filepath.Join(dir, *path)
		}
	}
	abs(&c.Listen.TLSCert)
	abs(&c.Listen.TLSKey)
	for name, p := range c.Provider {
		abs(&p.CAFile)
		c.Provider[name] = p
	}
	for name, a := range c.Account {
		abs(&a.ClientSecretFile)
		abs(&a.ClientCertificate)
		abs(&a.ClientKey)
		c.Account[name] = a
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
