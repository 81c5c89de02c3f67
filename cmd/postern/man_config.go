package main

import (
	"regexp"
	"strings"
)

// manTable is one table of the example configuration with what its comments say.
type manTable struct {
	Name  string   // as it stands in the brackets
	Intro []string // paragraphs
	Keys  []manKey
}

// manKey is one explanation and the lines that it is for: "key = value", usually one.
type manKey struct {
	Lines []string
	Text  string
}

var (
	exampleTable   = regexp.MustCompile(`^#?\[(.+)\]$`)
	exampleKey     = regexp.MustCompile(`^#?([a-z0-9_]+ = .*)$`)
	exampleComment = regexp.MustCompile(`^# ?(.*)$`)
)

// explained takes config.example.toml apart, for the manual: what stands before the first table, in paragraphs,
// and the tables. A comment belongs to the key or table in the line after it; one before an empty line belongs
// to the table that it is in.
func explained(example string) (intro []string, tables []manTable) {
	var pending []string
	take := func() (text string) {
		text, pending = strings.TrimSpace(strings.Join(pending, "\n")), nil
		return text
	}
	paragraph := func() {
		text := take()
		switch {
		case text == "":
		case len(tables) == 0:
			intro = append(intro, text)
		default:
			t := &tables[len(tables)-1]
			t.Intro = append(t.Intro, text)
		}
	}
	for line := range strings.Lines(example) {
		line = strings.TrimSpace(line)
		if m := exampleTable.FindStringSubmatch(line); m != nil {
			t := manTable{Name: m[1]}
			if text := take(); text != "" {
				t.Intro = []string{text}
			}
			tables = append(tables, t)
			continue
		}
		if m := exampleKey.FindStringSubmatch(line); m != nil && len(tables) > 0 {
			t := &tables[len(tables)-1]
			text := take()
			if text == "" && len(t.Keys) > 0 {
				k := &t.Keys[len(t.Keys)-1]
				k.Lines = append(k.Lines, m[1])
				continue
			}
			t.Keys = append(t.Keys, manKey{Lines: []string{m[1]}, Text: text})
			continue
		}
		if m := exampleComment.FindStringSubmatch(line); m != nil && m[1] != "" {
			pending = append(pending, m[1])
			continue
		}
		paragraph()
	}
	paragraph()
	return intro, tables
}
