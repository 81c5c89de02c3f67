package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// SetListen puts an address into the [listen] table of the file at path, and leaves every other byte as it is;
// where there is no file it makes one. A text that it can not change without changing what else it says, or that
// would be no configuration afterwards, it leaves alone, and its error says why.
func SetListen(path string, builtIn []string, key, address string) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("configuration: %w", err)
	}
	next, err := withListen(string(text), key, address)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := parse([]byte(next), path, filepath.Dir(path), builtIn); err != nil {
		return err
	}
	if err := replaceFile(path, next); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}

var (
	anyTable    = regexp.MustCompile(`^\s*\[`)
	listenTable = regexp.MustCompile(`^\s*\[\s*listen\s*\]\s*(#.*)?\s*$`)
)

// withListen is the text with a listener set. It goes by lines, which a TOML text need not be made of; so what came
// out is read again, and has to say what the text said before, and the setting.
func withListen(text, key, address string) (string, error) {
	var was, is map[string]any
	if _, err := toml.Decode(text, &was); err != nil {
		return "", err
	}
	listen, isThere := was["listen"].(map[string]any)
	if !isThere {
		text, listen = withTable(text), map[string]any{}
		was["listen"] = listen
	}
	next := withSetting(text, key, address)
	listen[key] = address
	if _, err := toml.Decode(next, &is); err != nil || !reflect.DeepEqual(was, is) {
		return "", errors.New("its [listen] is written in a way that only a person can change")
	}
	return next, nil
}

// withTable is the text with an empty [listen] at its end.
func withTable(text string) string {
	end := lineEnd(text)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += end
	}
	if text != "" {
		text += end
	}
	return text + "[listen]" + end
}

// withSetting sets a key of [listen]: where it stands, below its explanation, or at the head of the table.
func withSetting(text, key, address string) string {
	off := regexp.MustCompile(`^(\s*` + key + `\s*=\s*)(""|'')`)
	explained := regexp.MustCompile(`^\s*#\s*` + key + `\s*=`)
	lines := strings.SplitAfter(text, "\n")
	inTable, below := false, -1
	for i, line := range lines {
		switch {
		case anyTable.MatchString(line):
			if inTable = listenTable.MatchString(line); inTable {
				below = i
			}
		case inTable && off.MatchString(line):
			lines[i] = off.ReplaceAllString(line, fmt.Sprintf("${1}%q", address))
			return strings.Join(lines, "")
		case inTable && explained.MatchString(line):
			below = i
		}
	}
	if below < 0 {
		return text
	}
	end := lineEnd(text)
	if !strings.HasSuffix(lines[below], "\n") {
		lines[below] += end
	}
	lines[below] += fmt.Sprintf("%s = %q", key, address) + end
	return strings.Join(lines, "")
}

func lineEnd(text string) string {
	if strings.Contains(text, "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// replaceFile writes the text beside the file and renames it, so that a full disk or a crash leaves the file that
// was there. Mode, owner, and the link that leads to it stay.
func replaceFile(path, text string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	was, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil && was != nil {
		err = f.Chmod(was.Mode().Perm())
	}
	if err == nil && was != nil {
		err = giveTo(f, was)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
