package main

import (
	"context"
	"flag"
	"io"
	"os"
	"strings"
	"text/template"
	"time"
)

// runMan prints the pages of the manual, in mdoc(7). postern(1) is written from the table of commands and
// postern.toml(5) from the example of the configuration, so that neither says what is not so.
func runMan(_ context.Context, a *app, args []string) error {
	if len(args) == 0 {
		return manCommands(a.ui.out)
	}
	path, err := oneArgument(args, "FILE")
	if err != nil {
		return err
	}
	example, err := os.ReadFile(path)
	if err != nil {
		return failed(err, "FILE is config.example.toml")
	}
	return manConfig(a.ui.out, string(example))
}

// manCommand is a command as the page shows it.
type manCommand struct {
	Name, Args, Does, More string
	Flags                  []manFlag
}

type manFlag struct{ Name, Kind, Usage string }

func manCommands(w io.Writer) error {
	page := struct {
		Date     string
		Globals  []manFlag
		Commands []manCommand
	}{Date: manDate()}
	page.Globals = manFlags(&command{}, func(f *flag.FlagSet) { new(globalOptions).declare(f) })
	for _, c := range commands() {
		if c.hidden {
			continue
		}
		m := manCommand{Name: c.name, Args: c.args, Does: sentence(c.does), More: c.more}
		if c.flags != nil {
			m.Flags = manFlags(&c, func(f *flag.FlagSet) { c.flags(f, &options{}) })
		}
		page.Commands = append(page.Commands, m)
	}
	return manRender(w, "postern.1.tmpl", page)
}

func manFlags(c *command, declare func(*flag.FlagSet)) []manFlag {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	declare(f)
	var all []manFlag
	f.VisitAll(func(g *flag.Flag) {
		usage := unquoted(g)
		if g.DefValue != "" && g.DefValue != "false" {
			usage += "; default " + g.DefValue
		}
		all = append(all, manFlag{Name: g.Name, Kind: c.takes(g), Usage: usage})
	})
	return all
}

func manConfig(w io.Writer, example string) error {
	intro, tables := explained(example)
	return manRender(w, "postern.toml.5.tmpl", struct {
		Date   string
		Intro  []string
		Tables []manTable
	}{manDate(), intro, tables})
}

func manRender(w io.Writer, name string, page any) error {
	source, err := shipped(name)
	if err != nil {
		return err
	}
	t, err := template.New(name).Funcs(template.FuncMap{"code": mdocCode, "text": mdocText, "upper": mdocTable}).Parse(source)
	if err != nil {
		return err
	}
	return t.Execute(w, page)
}

// manDate is the day of the build, which packagers can set (reproducible-builds.org, SOURCE_DATE_EPOCH).
func manDate() string {
	day := time.Now()
	if epoch, err := time.ParseDuration(os.Getenv("SOURCE_DATE_EPOCH") + "s"); err == nil {
		day = time.Unix(int64(epoch.Seconds()), 0)
	}
	return day.UTC().Format("January 2, 2006")
}

// mdocCode escapes what a person may copy: a hyphen stays a minus sign. It may stand in a quoted argument.
func mdocCode(text string) string {
	return strings.NewReplacer(`\`, `\e`, `-`, `\-`, `"`, `\(dq`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}

// mdocText escapes a paragraph, one sentence or less in a line. What is in backquotes is code.
func mdocText(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		switch {
		case i%2 == 1:
			b.WriteString(`\fB` + mdocCode(part) + `\fP`)
		default:
			part = strings.NewReplacer(`\`, `\e`, "--", `\-\-`, `"`, `\(dq`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`).Replace(part)
			b.WriteString(strings.ReplaceAll(part, ". ", ".\n"))
		}
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// mdocTable is the heading of a table of the configuration.
func mdocTable(name string) string { return `TABLE \(lB` + mdocCode(name) + `\(rB` }
