package main

import (
	"embed"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"text/template"
)

//go:embed clients
var clientFiles embed.FS

// settings fills the client's template.
func (p clientProgram) settings(s clientSettings) (string, error) {
	name := p.template
	if name == "" {
		name = p.name
	}
	t, err := template.New("").Funcs(clientQuoting).ParseFS(clientFiles, "clients/"+name+".tmpl", "clients/parts.tmpl")
	if err != nil {
		return "", err
	}
	var text strings.Builder
	if err := t.ExecuteTemplate(&text, name+".tmpl", s); err != nil {
		return "", fmt.Errorf("settings for %s: %w", p.name, err)
	}
	return text.String(), nil
}

// clientQuoting has each language's way to write any text.
var clientQuoting = template.FuncMap{
	"quote": strconv.Quote, // Lua, Python, TOML
	"xml": func(s string) (string, error) {
		var b strings.Builder
		err := xml.EscapeText(&b, []byte(s))
		return b.String(), err
	},
	"sh": shellWord,
	"mutt": func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(s) + `"`
	},
	"mbsync":    backslashed,
	"fetchmail": func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` },
	"ini":       func(s string) string { return strings.ReplaceAll(s, "%", "%%") },
	"pylist":    func(words []string) string { return "[" + quotedWords(words) + "]" },
	"pytuple":   func(words []string) string { return "(" + quotedWords(words) + ")" },
	"tomllist":  func(words []string) string { return "[" + quotedWords(words) + "]" },
}

func quotedWords(words []string) string {
	quoted := make([]string, 0, len(words))
	for _, w := range words {
		quoted = append(quoted, strconv.Quote(w))
	}
	return strings.Join(quoted, ", ")
}

// backslashed quotes where it must.
func backslashed(s string) string {
	if !strings.ContainsAny(s, ` "\#`) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func shellLine(words []string) string {
	quoted := make([]string, 0, len(words))
	for _, w := range words {
		quoted = append(quoted, shellWord(w))
	}
	return strings.Join(quoted, " ")
}

// shellWord writes a word as a POSIX shell takes it, without quotes where they are not needed.
func shellWord(s string) string {
	special := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("@%+=:,./-_", r))
	}
	if s != "" && !strings.ContainsFunc(s, special) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// AlpineSwitches stand behind the server's name, within its braces (imapd's c-client, naming.txt).
func (s clientSettings) AlpineSwitches(m mailServer) string {
	switches := `/user="` + s.User() + `"`
	switch {
	case m.TLS:
		return "/ssl" + switches
	case m.StartTLS:
		return "/tls" + switches
	}
	return "/notls" + switches
}

// CurlTLS are curl's options for TLS.
func (s clientSettings) CurlTLS(m mailServer) string {
	options := ""
	if m.StartTLS {
		options = " --ssl-reqd"
	}
	if m.CAFile != "" {
		options += " --cacert " + shellWord(m.CAFile)
	}
	return options
}
