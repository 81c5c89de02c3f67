package main

import (
	"strings"
	"unicode"
)

// harmless keeps a text that may have parts from outside, such as a name in another program's file, from drawing on
// the terminal or turning around what it shows. Line ends and tabs are the layout's; the CR that Windows' own commands
// put before a line's end goes.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\r':
			return -1
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return '?'
		}
		return r
	}, text)
}

// harmlessLine is the same for a text that has to stay on its line.
func harmlessLine(text string) string {
	return harmless(strings.NewReplacer("\n", " ", "\t", " ").Replace(text))
}
