package main

import (
	"flag"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"postern/internal/config"
)

func TestManualHasEveryCommand(t *testing.T) {
	var page strings.Builder
	if err := manCommands(&page); err != nil {
		t.Fatal(err)
	}
	wants := func(what, line string) {
		if !strings.Contains(page.String(), line) {
			t.Errorf("postern(1) has no %s: %q", what, line)
		}
	}
	for _, c := range commands() {
		if c.hidden {
			continue
		}
		wants(c.name, "\n.It Ic \""+mdocCode(c.name)+`"`)
		if c.flags == nil {
			continue
		}
		f := flag.NewFlagSet("", flag.ContinueOnError)
		c.flags(f, &options{})
		f.VisitAll(func(g *flag.Flag) { wants(c.name+" --"+g.Name, "\n.It Fl \\-"+mdocCode(g.Name)) })
	}
	for _, code := range []int{exitDone, exitFailed, exitUsage, exitConfig, exitSignIn, exitInterrupted} {
		wants("exit code", "\n.It "+strconv.Itoa(code)+"\n")
	}
}

func TestManualHasEveryKey(t *testing.T) {
	example, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := manConfig(&page, string(example)); err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{} // the page by the first word of the table's name
	for _, section := range strings.Split(page.String(), "\n.Sh ") {
		if name, ok := strings.CutPrefix(section, `TABLE \(lB`); ok {
			name, _, _ = strings.Cut(name, `\(rB`)
			name, _, _ = strings.Cut(name, ".")
			tables[name] = section
		}
	}
	var walk func(of reflect.Type, at string)
	walk = func(of reflect.Type, at string) {
		for f := range of.Fields() {
			tag := f.Tag.Get("toml")
			switch {
			case tag == "-":
			case f.Type.Kind() == reflect.Struct:
				walk(f.Type, tag)
			case f.Type.Kind() == reflect.Map:
				walk(f.Type.Elem(), tag)
			case !strings.Contains(tables[at], "\n.It Ic \""+mdocCode(tag)+" = "):
				t.Errorf("postern.toml(5) does not explain %s.%s", at, tag)
			}
		}
	}
	walk(reflect.TypeFor[config.Config](), "")
	if t.Failed() {
		t.Log(page.String())
	}
}

func TestMdoc(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"One. Two.", "One.\nTwo."},
		{".Sh and 'br", `\&.Sh and \(aqbr`},
		{"'br", `\(aqbr`},
		{`a \ b`, `a \e b`},
		{"see `postern --help`.", `see \fBpostern \-\-help\fP.`},
		{"first\n.second", "first\n\\&.second"},
	} {
		if got := mdocText(tt.in); got != tt.want {
			t.Errorf("mdocText(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestExplained(t *testing.T) {
	intro, tables := explained("# Head.\n#\n# More.\n\n[one]\n# About one.\n\n# A and b.\n#a = 1\n#b = 2\n\n# C.\nc = 3\n\n# About two.\n#[two.x]\n\n# D.\n#d = \"\"\n")
	if want := []string{"Head.", "More."}; !reflect.DeepEqual(intro, want) {
		t.Errorf("intro %q, want %q", intro, want)
	}
	want := []manTable{
		{Name: "one", Intro: []string{"About one."}, Keys: []manKey{{[]string{"a = 1", "b = 2"}, "A and b."}, {[]string{"c = 3"}, "C."}}},
		{Name: "two.x", Intro: []string{"About two."}, Keys: []manKey{{[]string{`d = ""`}, "D."}}},
	}
	if !reflect.DeepEqual(tables, want) {
		t.Errorf("got %+v\nwant %+v", tables, want)
	}
}
