package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// winerror.h
const (
	errorAccessDenied     = syscall.Errno(5)
	errorSharingViolation = syscall.Errno(32)
	errorLockViolation    = syscall.Errno(33)
)

// replace renames from to to, over what is there. Windows refuses while a reader or a virus scanner has the
// old file open, which passes.
func replace(from, to string) error {
	var err error
	for wait := time.Millisecond; wait < 2*time.Second; wait *= 2 {
		if err = os.Rename(from, to); err == nil || !busy(err) && !errors.Is(err, errorAccessDenied) {
			return err
		}
		time.Sleep(wait)
	}
	return err
}

// syncDir does nothing: Windows has no fsync for directories, and NTFS journals the rename.
func syncDir(string) error { return nil }

// busy reports whether another process is using the file for a moment.
func busy(err error) bool {
	return errors.Is(err, errorSharingViolation) || errors.Is(err, errorLockViolation)
}

// readableByOthers is always false: Windows keeps access lists instead of modes, and the profile directory
// that holds the state is closed to other users.
func readableByOthers(fs.FileMode) bool { return false }
