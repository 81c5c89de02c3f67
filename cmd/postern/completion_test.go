package main

import (
	"flag"
	"strings"
	"testing"
)

// A flag that takes one of a few words has to complete to what its command takes.
func TestEveryChoiceIsCompleted(t *testing.T) {
	for _, c := range commands() {
		if c.flags == nil {
			continue
		}
		f := flag.NewFlagSet("", flag.ContinueOnError)
		c.flags(f, &options{})
		f.VisitAll(func(g *flag.Flag) {
			_, rest, ok := strings.Cut(c.args, "--"+g.Name+" ")
			choices, _, _ := strings.Cut(rest, "]")
			if !ok || strings.HasPrefix(choices, "|") || !strings.Contains(choices, "|") {
				return
			}
			var words []string
			for _, v := range (&app{o: &options{}}).flagValues(g) {
				words = append(words, v.word)
			}
			if got := strings.Join(words, "|"); got != choices {
				t.Errorf("%s --%s completes to %q; its help says %q", c.name, g.Name, got, choices)
			}
		})
	}
}

func TestArgumentNames(t *testing.T) {
	for args, want := range map[string]string{
		"":                         "",
		"[--json]":                 "",
		"EMAIL | --all":            "EMAIL",
		"EMAIL [--device]":         "EMAIL",
		"[NAME [EMAIL]] [--tls]":   "NAME EMAIL",
		"EMAIL ID|LABEL":           "EMAIL ID|LABEL",
		"bash|zsh|fish":            "bash|zsh|fish",
		"FILE [EMAIL] [--dry-run]": "FILE EMAIL",
	} {
		if got := strings.Join(argumentNames(args), " "); got != want {
			t.Errorf("argumentNames(%q) = %q, want %q", args, got, want)
		}
	}
}
