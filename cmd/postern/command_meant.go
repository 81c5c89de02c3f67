package main

import (
	"flag"
	"strings"

	"postern/internal/config"
)

// meantCommand guesses which command words that are none should have been, "" when nothing comes near.
func meantCommand(args []string) string {
	var names, first []string
	for _, c := range commands() {
		if !c.hidden {
			names = append(names, c.name)
			word, _, _ := strings.Cut(c.name, " ")
			first = append(first, word)
		}
	}
	if len(args) > 1 {
		if meant := config.Nearest(strings.Join(args[:2], " "), names); strings.Contains(meant, " ") {
			return meant
		}
	}
	return config.Nearest(args[0], first)
}

// flagWords says what is wrong with a flag in our words; package flag writes all flags with one dash.
func flagWords(err error) string {
	return strings.NewReplacer("flag provided but not defined: -", "unknown flag --", "flag needs an argument: -", "a value is missing behind --",
		" for flag -", " for --", " for -", " for --").Replace(err.Error())
}

// meantFlag is a hint for a flag that there is not, "" for another error or when nothing comes near.
func meantFlag(flags *flag.FlagSet, err error) string {
	_, wrong, ok := strings.Cut(err.Error(), "flag provided but not defined: -")
	if !ok {
		return ""
	}
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if meant := config.Nearest(strings.TrimLeft(wrong, "-"), names); meant != "" {
		return "did you mean --" + meant + "?"
	}
	return ""
}
