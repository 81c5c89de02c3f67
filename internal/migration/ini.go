package migration

import "strings"

// section is a part of an INI file, as Python's configparser reads it: keys compare without case, and lines
// that are indented continue a value.
type section struct {
	name   string
	values map[string]string
	order  []string
}

func (s section) get(key string) string { return s.values[key] }

func readINI(text string) []section {
	var all []section
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\n")
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
			continue
		case trimmed != line && last != "" && len(all) > 0 && (line[0] == ' ' || line[0] == '\t'):
			s := &all[len(all)-1]
			s.values[last] += "\n" + trimmed
			continue
		}
		if name, ok := strings.CutPrefix(trimmed, "["); ok && strings.HasSuffix(name, "]") {
			all = append(all, section{name: strings.TrimSuffix(name, "]"), values: map[string]string{}})
			last = ""
			continue
		}
		i := strings.IndexAny(trimmed, "=:")
		if i < 0 || len(all) == 0 {
			continue
		}
		last = strings.ToLower(strings.TrimSpace(trimmed[:i]))
		s := &all[len(all)-1]
		s.values[last] = strings.TrimSpace(trimmed[i+1:])
		s.order = append(s.order, last)
	}
	return all
}
