//go:build !windows

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// autostartFile is where the Desktop Application Autostart Specification 0.5 wants it.
func autostartFile() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "autostart", "postern-tray.desktop"), err
}

func autostarts() bool {
	path, err := autostartFile()
	if err != nil {
		return false
	}
	_, err = os.Stat(path)
	return err == nil
}

// setAutostart writes or removes the file.
func setAutostart(on bool, command []string) error {
	path, err := autostartFile()
	if err != nil {
		return err
	}
	if !on {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(desktopEntry(command)), 0o600)
}

func desktopEntry(command []string) string {
	quoted := make([]string, 0, len(command))
	for _, word := range command {
		quoted = append(quoted, desktopQuote(word))
	}
	return `[Desktop Entry]
Type=Application
Name=Postern
Comment=Shows when a mail account wants you to sign in
Exec=` + strings.Join(quoted, " ") + `
Terminal=false
NoDisplay=true
`
}

// desktopQuote quotes a word of Exec (Desktop Entry Specification 1.5): first for the command line, where
// a percent sign begins a field code, then as the value of a key, where a backslash is one of its own.
func desktopQuote(word string) string {
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`, `%`, `%%`).Replace(word)
	return `"` + strings.ReplaceAll(word, `\`, `\\`) + `"`
}
