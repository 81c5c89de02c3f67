package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/BurntSushi/toml"
)

// problems gathers what is wrong with a file, one error each: `file: key: what`.
type problems struct {
	file string
	all  []error
}

func (p *problems) add(at toml.Key, format string, args ...any) {
	p.all = append(p.all, fmt.Errorf("%s: %s: %s", p.file, at, fmt.Sprintf(format, args...)))
}

// err joins the problems, each on a line of its own; nil when there are none.
func (p *problems) err() error { return errors.Join(p.all...) }

// sub is the key below at.
func sub(at toml.Key, name string) toml.Key { return append(slices.Clone(at), name) }
