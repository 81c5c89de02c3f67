package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// old is the ending of a file that --force has put aside.
const old = ".old"

// serviceFile is a file that the service needs. What we write is signed with a checksum in its last line, so
// that a later version can tell what it may replace from what a person has changed.
type serviceFile struct {
	path     string
	packaged string // where a package puts the same file; "" = nowhere
	text     string
	mode     fs.FileMode
}

const signature = "written by postern service install; sha256 of the above: "

// sign adds the last line. XML has other comments than everything else.
func sign(text string) string {
	sum := sha256.Sum256([]byte(text))
	line := signature + hex.EncodeToString(sum[:])
	if strings.HasPrefix(text, "<") {
		return text + "<!-- " + line + " -->\n"
	}
	return text + "# " + line + "\n"
}

// unchanged says whether the text is as we have signed it.
func unchanged(text []byte) bool {
	// An editor may have given the file other ends of lines: that is a change.
	at := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n') + 1
	return sign(string(text[:at])) == string(text)
}

// edited says that there is a file that we have not written, or not like this.
func (f serviceFile) edited() bool {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return !unchanged(text)
}

// aside is a free name beside the file.
func (f serviceFile) aside() string {
	name := f.path + old
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s%s%d", f.path, old, n)
	}
}

// there is where the file is: its own place goes before the package's. "" = nowhere.
func (f serviceFile) there() string {
	for _, path := range []string{f.path, f.packaged} {
		if _, err := os.Stat(path); path != "" && err == nil {
			return path
		}
	}
	return ""
}

// write puts the file in its place, if it is not there and the package has not the same. What it finds there
// may be replaced: the caller has asked.
func (f serviceFile) write(s *steps) error {
	text := sign(f.text)
	found, err := os.ReadFile(f.path)
	switch {
	case err == nil && string(found) == text:
		s.say("%s is as it should be", f.path)
		return nil
	case err == nil && !unchanged(found):
		aside := f.aside()
		if err := os.WriteFile(aside, found, f.mode); err != nil {
			return err
		}
		s.say("kept what was in %s as %s", f.path, aside)
	case errors.Is(err, fs.ErrNotExist) && f.packaged != "":
		if theirs, err := os.ReadFile(f.packaged); err == nil && string(theirs) == f.text {
			s.say("%s of the package is the right one", f.packaged)
			return nil
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	next := f.path + ".new"
	if err := os.WriteFile(next, []byte(text), f.mode); err != nil {
		return err
	}
	if err := os.Rename(next, f.path); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	s.say("wrote %s", f.path)
	return nil
}

// remove takes away what write wrote.
func (f serviceFile) remove(s *steps) error {
	text, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if f.there() != "" {
			s.say("%s belongs to the package and stays", f.packaged)
		}
		return nil
	case err != nil:
		return err
	case !unchanged(text):
		aside := f.aside()
		if err := os.Rename(f.path, aside); err != nil {
			return err
		}
		s.say("moved %s, which was changed by hand, to %s", f.path, aside)
		return nil
	}
	return s.remove(f.path)
}

// fill replaces parts of a shipped file by what this machine has. A part that is not there is our own mistake.
func fill(text string, parts ...string) (string, error) {
	for i := 0; i < len(parts); i += 2 {
		if !strings.Contains(text, parts[i]) {
			return "", fmt.Errorf("the shipped file has no %q", parts[i])
		}
		text = strings.ReplaceAll(text, parts[i], parts[i+1])
	}
	return text, nil
}
