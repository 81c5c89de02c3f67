package store

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	for account, want := range map[string]string{
		"ann@example.com":       "ann@example.com",
		"ann+tag-1_x@a.example": "ann+tag-1_x@a.example",
		"o'neil@example.com":    "o%27neil@example.com",
		"../../etc/passwd":      "%2e.%2f..%2fetc%2fpasswd",
		"..":                    "%2e.",
		"-rf@x":                 "%2drf@x",
		"a/b\\c@x":              "a%2fb%5cc@x",
		"a%2fb@x":               "a%252fb@x",
		"con":                   "%63on",
		"nul.x@example.com":     "%6eul.x@example.com",
		"con@example.com":       "con@example.com",
		"console.x":             "console.x",
		"jörg@example.com":      "j%c3%b6rg@example.com",
		"a b:c*?\"<>|@x":        "a%20b%3ac%2a%3f%22%3c%3e%7c@x",
	} {
		if got := fileName(account); got != want {
			t.Errorf("fileName(%q) = %q; want %q", account, got, want)
		}
	}
	if got := fileName(strings.Repeat("a", 200)); !strings.HasPrefix(got, hashPrefix) || len(got) > maxFileName {
		t.Errorf("long name: %q", got)
	}
}

func FuzzFileName(f *testing.F) {
	for _, seed := range []string{"ann@example.com", "../x", "nul.y", "%sha256-", "Ä@x", strings.Repeat("é", 99), "a.record", "\x01"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		account, err := accountName(text)
		if err != nil {
			return
		}
		name := fileName(account)
		if name != filepath.Base(name) || !filepath.IsLocal(name+recordEnding) || len(name) > maxFileName || name != strings.ToLower(name) {
			t.Errorf("%q is stored as %q", account, name)
		}
		for _, c := range []byte(name) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`/\:*?"<>|`, c) >= 0 {
				t.Errorf("%q is stored as %q", account, name)
			}
		}
		if back, ok := accountOf(name); ok != !strings.HasPrefix(name, hashPrefix) || ok && back != account {
			t.Errorf("%q is stored as %q and read back as %q, %v", account, name, back, ok)
		}
	})
}
