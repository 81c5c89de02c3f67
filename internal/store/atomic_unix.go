//go:build !windows

package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// replace renames from to to, over what is there.
func replace(from, to string) error { return os.Rename(from, to) }

// syncDir makes renames and removals in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	// Some network and FUSE file systems have no fsync for directories; there is nothing better to do on them.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// busy reports whether another process is using the file for a moment; only Windows has that.
func busy(error) bool { return false }

// readableByOthers reports whether a file with this mode can be read by other users than its owner.
func readableByOthers(mode fs.FileMode) bool { return mode.Perm()&0o077 != 0 }
