package main

import (
	"context"
	"flag"
	"path/filepath"
	"slices"
	"strings"

	"postern/auth"
	"postern/internal/config"
)

// runCompletion prints what makes a shell ask runComplete, which answers from the table of commands: a script
// that was installed once stays right.
func runCompletion(_ context.Context, a *app, args []string) error {
	shell, err := oneArgument(args, "the name of the shell")
	if err != nil {
		return err
	}
	script := completionScript(shell)
	if script == "" {
		return usageError("bash, zsh or fish", "no completion for %q", shell)
	}
	a.ui.print("%s", script)
	return nil
}

// runComplete answers a shell: the words of the command line up to the cursor, the last one perhaps begun. Each
// line is a word that fits, and after a tab what it means. A line of its own ":files" or ":dirs" leaves the
// answer to the shell.
func runComplete(ctx context.Context, a *app, args []string) error {
	for _, c := range a.complete(ctx, args) {
		if c.means != "" {
			a.ui.print("%s\t%s\n", c.word, c.means)
		} else {
			a.ui.print("%s\n", c.word)
		}
	}
	return nil
}

// candidate is a word that may stand at the cursor.
type candidate struct{ word, means string }

func (a *app) complete(ctx context.Context, words []string) []candidate {
	if len(words) == 0 {
		return nil
	}
	before, begun := words[:len(words)-1], words[len(words)-1]
	l := a.readLine(before)
	if l.open != nil {
		return fitting(a.flagValues(l.open), begun)
	}
	name, value, ok := strings.Cut(begun, "=")
	if f := l.flag(name); ok && f != nil {
		var all []candidate
		for _, c := range fitting(a.flagValues(f), value) {
			if !strings.HasPrefix(c.word, ":") {
				c.word = name + "=" + c.word
			}
			all = append(all, c)
		}
		return all
	}
	if strings.HasPrefix(begun, "-") && !l.onlyArguments {
		return fitting(l.flagNames(), begun)
	}
	if l.command == nil {
		return fitting(nextWords(l.arguments), begun)
	}
	return fitting(a.argumentValues(ctx, l.command, len(l.arguments)), begun)
}

// line is what stands before the cursor.
type line struct {
	flags         *flag.FlagSet
	command       *command // nil as long as it is not known
	arguments     []string // words that are no flags, without the command's own
	open          *flag.Flag
	onlyArguments bool
}

func (a *app) readLine(words []string) line {
	l := line{flags: newFlagSet("postern", a.o, nil)}
	for _, w := range words {
		switch {
		case l.open != nil:
			l.open.Value.Set(w)
			l.open = nil
		case w == "--" && !l.onlyArguments:
			l.onlyArguments = true
		case len(w) > 1 && w[0] == '-' && !l.onlyArguments:
			name, value, given := strings.Cut(w, "=")
			f := l.flag(name)
			switch {
			case f == nil:
			case given:
				f.Value.Set(value)
			case !isSwitch(f):
				l.open = f
			}
		default:
			l.arguments = append(l.arguments, w)
			if l.command == nil {
				if c, rest := findCommand(l.arguments); c != nil && !slices.ContainsFunc(commands(), func(d command) bool { return strings.HasPrefix(d.name, c.name+" ") }) {
					l.command, l.arguments, l.flags = c, rest, newFlagSet(c.name, a.o, c)
				}
			}
		}
	}
	return l
}

func (l line) flag(word string) *flag.Flag { return l.flags.Lookup(strings.TrimLeft(word, "-")) }

func isSwitch(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

func (l line) flagNames() []candidate {
	var all []candidate
	l.flags.VisitAll(func(f *flag.Flag) {
		_, usage := flag.UnquoteUsage(f)
		all = append(all, candidate{"--" + f.Name, usage})
	})
	return all
}

// nextWords are the commands after the words of one that is not whole yet.
func nextWords(begun []string) []candidate {
	var all []candidate
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if c.hidden || len(words) <= len(begun) || !slices.Equal(words[:len(begun)], begun) {
			continue
		}
		next := candidate{words[len(begun)], c.does}
		if len(words) > len(begun)+1 {
			next.means = "" // of several commands
		}
		if !slices.ContainsFunc(all, func(d candidate) bool { return d.word == next.word }) {
			all = append(all, next)
		}
	}
	return all
}

// flagValues are what may follow a flag, where that is known.
func (a *app) flagValues(f *flag.Flag) []candidate {
	switch f.Name {
	case "flow":
		return wordsOf(string(auth.FlowBrowser), string(auth.FlowDevice), string(auth.FlowClientCredentials))
	case "provider":
		names := builtInProviders()
		if cfg, err := a.config(); err == nil {
			for name := range cfg.Provider {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return wordsOf(slices.Compact(names)...)
	case "key":
		return wordsOf("file", "keyring", "credential")
	case "format":
		return wordsOf("raw", "xoauth2", "oauthbearer", "json")
	case "log-level":
		return wordsOf("debug", "info", "warn", "error")
	case "log-format":
		return wordsOf("text", "json")
	}
	switch kind, _ := flag.UnquoteUsage(f); kind {
	case "FILE":
		return wordsOf(":files")
	case "DIR":
		return wordsOf(":dirs")
	}
	return nil
}

// argumentValues are what may stand as the nth argument of a command, by the name that its help gives it.
func (a *app) argumentValues(ctx context.Context, c *command, n int) []candidate {
	names := argumentNames(c.args)
	if n >= len(names) {
		return nil
	}
	switch names[n] {
	case "EMAIL":
		return wordsOf(a.accountNames(ctx)...)
	case "FILE":
		return wordsOf(":files")
	case "NAME":
		if c.name == "client" {
			var all []candidate
			for _, p := range clientPrograms() {
				all = append(all, candidate{p.name, p.title})
			}
			return all
		}
	case "COMMAND":
		return nextWords(nil)
	}
	if names[n] == strings.ToLower(names[n]) {
		return wordsOf(strings.Split(names[n], "|")...)
	}
	return nil
}

// argumentNames are the arguments in the help's words, without flags: "EMAIL [--device]" has EMAIL.
func argumentNames(args string) []string {
	args, _, _ = strings.Cut(args, "--")
	return strings.FieldsFunc(strings.TrimSuffix(strings.TrimSpace(strings.TrimSuffix(args, "[")), "|"), func(r rune) bool { return r == ' ' || r == '[' || r == ']' })
}

// accountNames does not open the records, and makes nothing.
func (a *app) accountNames(ctx context.Context) []string {
	cfg, err := a.config()
	if err != nil {
		cfg = config.Default()
	}
	var names []string
	for email := range cfg.Account {
		names = append(names, email)
	}
	if a.store == nil && isDir(filepath.Join(a.stateDir(), "store")) {
		a.store, _ = a.openStore(cfg)
	}
	if a.store != nil {
		kept, _ := a.store.List(ctx)
		names = append(names, kept...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func wordsOf(words ...string) []candidate {
	all := make([]candidate, len(words))
	for i, w := range words {
		all[i].word = w
	}
	return all
}

// fitting are the candidates that begin like the word at the cursor.
func fitting(all []candidate, begun string) []candidate {
	return slices.DeleteFunc(slices.Clone(all), func(c candidate) bool {
		return !strings.HasPrefix(c.word, ":") && !strings.HasPrefix(c.word, begun)
	})
}
