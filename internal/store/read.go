package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// read reads the account's record from its file; ErrNotFound, ErrDamaged, ErrWrongKey, ErrUnavailable.
func (f *File) read(ctx context.Context, account string) (cached, error) {
	path := f.path(fileName(account), recordEnding)
	for {
		content, info, err := readRegular(path)
		if err != nil {
			return cached{}, f.explain(unreachable(f.dir, err), account)
		}
		plain, err := f.open(ctx, account, content)
		if errors.Is(err, ErrWrongKey) {
			// Another process may have sealed it anew since, and removed the key of what was read.
			if now, statErr := os.Stat(path); statErr != nil || !sameContent(info, now) {
				continue
			}
		}
		if err != nil {
			return cached{}, f.explain(err, account)
		}
		r, err := decode(account, plain)
		if err != nil {
			return cached{}, f.explain(err, account)
		}
		id, _, _, err := split(content)
		return cached{info: info, record: r, key: id}, err
	}
}

// open decrypts a record with the key at hand, and when that is not the one, with the key as it is now. While
// the key is changed it may also be the one before.
func (f *File) open(ctx context.Context, account string, content []byte) ([]byte, error) {
	s, err := f.key.get(ctx, false, nil)
	if err != nil {
		return nil, err
	}
	plain, err := s.open(account, content)
	if _, before := f.key.held(); errors.Is(err, ErrWrongKey) && before != nil {
		plain, err = before.open(account, content)
	}
	if !errors.Is(err, ErrWrongKey) {
		return plain, err
	}
	if s, err = f.key.get(ctx, true, nil); err != nil {
		return nil, err
	}
	if plain, err = s.open(account, content); !errors.Is(err, ErrWrongKey) {
		return plain, err
	}
	before, beforeErr := f.key.getBefore(ctx)
	switch {
	case beforeErr != nil:
		return nil, beforeErr
	case before == nil:
		return nil, err
	}
	return before.open(account, content)
}

// errIrregular says that something else than a file stands where a file should.
var errIrregular = errors.New("not a regular file")

// readRegular reads a file whole, with what describes this very file even when another takes its name
// meanwhile.
func readRegular(path string) ([]byte, fs.FileInfo, error) {
	for wait := time.Millisecond; ; wait *= 2 {
		content, info, err := readOnce(path)
		if err == nil || !busy(err) || wait > time.Second {
			return content, info, err
		}
		time.Sleep(wait)
	}
}

func readOnce(path string) ([]byte, fs.FileInfo, error) {
	// A named pipe would hold up os.Open.
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: errIrregular}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	content, err := io.ReadAll(file)
	return content, info, err
}

// unreachable classifies an error of the file system. A record is missing only when its directory is there:
// a disk that is not mounted holds no records either.
func unreachable(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	if _, err := os.Stat(dir); err != nil {
		return unavailable(fmt.Errorf("the store's directory is gone: %w", err))
	}
	return ErrNotFound
}

// unavailable makes an error of the file system one of ErrUnavailable.
func unavailable(err error) error {
	// The directory has been named already.
	if p, ok := err.(*fs.PathError); ok {
		return fmt.Errorf("%w: %s %s: %w", ErrUnavailable, p.Op, filepath.Base(p.Path), p.Err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// explain says which record an error is about and what to do. The error keeps its class.
func (f *File) explain(err error, account string) error {
	path := f.path(fileName(account), recordEnding)
	switch {
	case isNotFound(err):
		return fmt.Errorf("%s: %w", account, err)
	case errors.Is(err, ErrWrongKey):
		return fmt.Errorf("record %s: %w than the one in the %s; bring that key back, "+
			"or move the record away and run \"postern login %s\"", path, err, f.key.source.Describe(), account)
	case errors.Is(err, ErrKey):
		return fmt.Errorf("record %s: %w", path, err)
	case errors.Is(err, ErrDamaged):
		return fmt.Errorf("record %s: %w; restore it from a backup, or move it away and run \"postern login %s\"",
			path, err, account)
	case errors.Is(err, errClosed):
		return fmt.Errorf("record %s: %w", path, err)
	case errors.Is(err, ErrUnavailable):
		return fmt.Errorf("record %s: %w; %s", path, err, cure(err))
	}
	return fmt.Errorf("record %s: %w", path, err)
}

// cure says what a person can do about an error of the file system.
func cure(err error) string {
	switch {
	case errors.Is(err, ErrAway):
		return "mount it again, or make it again and leave it empty: the running daemon writes what it knows into it"
	case errors.Is(err, fs.ErrPermission):
		return "run postern as the user whose store it is, or give the file to that user"
	case errors.Is(err, errIrregular):
		return "move away what stands there"
	case errors.Is(err, fs.ErrNotExist):
		return "mount or restore the directory"
	}
	return "make room if the disk is full, and see whether the disk is sound"
}
