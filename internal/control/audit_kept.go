package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

const (
	keptFile = "audit.kept"
	// mostKept bounds the file where commands run for years and a daemon never does. Twice as much is on the disk.
	mostKept = 256 << 10
)

// keepEvent appends an event to the file in the state directory from which the next daemon takes it.
func keepEvent(stateDir string, e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return withKept(stateDir, func(path string) error {
		if info, err := os.Stat(path); err == nil && info.Size() > mostKept {
			if err := os.Rename(path, path+".old"); err != nil {
				return err
			}
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(append(line, '\n'))
		return errors.Join(err, f.Close())
	})
}

// LogKept puts into the log what commands did while no daemon ran, with the time of each event, and forgets it.
// The caller has the socket of the state directory.
func (s *Server) LogKept(stateDir string) {
	err := withKept(stateDir, func(path string) error {
		for _, name := range []string{path + ".old", path} {
			text, err := os.ReadFile(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			for line := range bytes.Lines(text) {
				var e Event
				if json.Unmarshal(line, &e) == nil { // half a line is what a full disk left
					s.logEvent(e, true)
				}
			}
			if err := os.Remove(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.log().Warn("kept audit events not read", "err", err)
	}
}

// withKept keeps other processes from the file meanwhile.
func withKept(stateDir string, do func(path string) error) error {
	path := filepath.Join(stateDir, keptFile)
	l := flock.New(strings.TrimSuffix(path, ".kept") + ".lock")
	if err := l.Lock(); err != nil {
		return err
	}
	defer l.Unlock()
	return do(path)
}
