package store

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// pending is a file on its way to its final name. Whoever reads the final name sees the old content or the
// whole new one, whenever the process or the machine dies.
type pending struct {
	f      *os.File
	target string
}

// reserve makes the temporary file temp beside target and fills size bytes, durably, so that a full disk,
// a quota or a read-only directory shows now and not at commit. The caller has target's lock: what is found
// at temp was left by a process that died.
func reserve(temp, target string, size int) (*pending, error) {
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	p := &pending{f: f, target: target}
	// Random, because zeros take no space on a file system that compresses or leaves holes.
	filler := make([]byte, size)
	rand.Read(filler)
	if _, err = f.Write(filler); err == nil {
		err = f.Sync()
	}
	if err != nil {
		p.discard()
		return nil, err
	}
	return p, nil
}

// commit gives the file its content and its name. When it returns nil, both are on the disk. The file's
// modification time is later than old, by which readers tell the contents apart: the kernel's own stamps
// repeat within a tick, and inode numbers are used again.
func (p *pending) commit(content []byte, old time.Time) error {
	stamp := time.Now()
	if !stamp.After(old) {
		stamp = old.Add(time.Millisecond)
	}
	_, err := p.f.WriteAt(content, 0)
	if err == nil {
		err = p.f.Truncate(int64(len(content)))
	}
	if err == nil {
		err = os.Chtimes(p.f.Name(), stamp, stamp)
	}
	if err == nil {
		err = p.f.Sync()
	}
	if err == nil {
		err = p.f.Close()
	}
	if err == nil {
		err = replace(p.f.Name(), p.target)
	}
	if err != nil {
		p.discard()
		return err
	}
	return syncDir(filepath.Dir(p.target))
}

// discard removes the temporary file.
func (p *pending) discard() {
	p.f.Close()
	os.Remove(p.f.Name())
}
