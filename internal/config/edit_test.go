package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSetListen(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	const set = `smtp = "127.0.0.1:1587"` + "\n"
	for name, tt := range map[string]struct{ before, after string }{
		"empty":           {"", "[listen]\n" + set},
		"comments only":   {"# mine", "# mine\n\n[listen]\n" + set},
		"no such table":   {"[log]\nlevel = \"warn\"\n\n\n", "[log]\nlevel = \"warn\"\n\n\n\n[listen]\n" + set},
		"head of table":   {"[listen] # doors\nimap = \"127.0.0.1:1\"\n[log]\n", "[listen] # doors\n" + set + "imap = \"127.0.0.1:1\"\n[log]\n"},
		"end of file":     {" [ listen ]", " [ listen ]\n" + set},
		"off so far":      {"[listen]\n  smtp  = ''   # later\n", "[listen]\n  smtp  = \"127.0.0.1:1587\"   # later\n"},
		"below its words": {"[listen]\n#imap = \"\"\n\n# SMTP.\n#smtp = \"\"\n\n# POP3.\n", "[listen]\n#imap = \"\"\n\n# SMTP.\n#smtp = \"\"\n" + set + "\n# POP3.\n"},
		"another's smtp":  {"[provider.outlook]\nsmtp = \"\"\n", "[provider.outlook]\nsmtp = \"\"\n\n[listen]\n" + set},
		"Windows":         {"[listen]\r\nweb = \"\"\r\n", "[listen]\r\nsmtp = \"127.0.0.1:1587\"\r\nweb = \"\"\r\n"},
		"the example":     {string(example), strings.Replace(string(example), "#smtp = \"\"\n", "#smtp = \"\"\n"+set, 1)},
	} {
		path := write(t, tt.before)
		if err := SetListen(path, builtIn, "smtp", "127.0.0.1:1587"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := read(t, path); got != tt.after {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.after)
		}
		if c, err := Load(path, builtIn); err != nil || c.Listen.SMTP != "127.0.0.1:1587" {
			t.Errorf("%s: it is no configuration that listens: %v", name, err)
		}
	}
}

func TestSetListenLeavesAlone(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"on already":    "[listen]\nsmtp = \"127.0.0.1:2\"\n",
		"inline":        "listen = { imap = \"127.0.0.1:1\" }\n",
		"dotted":        "listen.imap = \"127.0.0.1:1\"\n",
		"quoted":        "[\"listen\"]\n",
		"text of lines": "[provider.outlook]\nscopes = ['''\n[listen]\n''']\n",
		"no TOML":       "[listen\n",
		"address taken": "[listen]\nimap = \"127.0.0.1:1587\"\n",
	} {
		path := write(t, before)
		if err := SetListen(path, builtIn, "smtp", "127.0.0.1:1587"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if got := read(t, path); got != before {
			t.Errorf("%s: it is now\n%s", name, got)
		}
	}
}

func TestSetListenMakesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "not", "there", "config.toml")
	if err := SetListen(path, builtIn, "smtp", "127.0.0.1:1587"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "[listen]\nsmtp = \"127.0.0.1:1587\"\n" {
		t.Errorf("it says\n%s", got)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
