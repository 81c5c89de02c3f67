//go:build unix

package config

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo gives a file the owner of another: root may change what a user's daemon has to read.
func giveTo(f *os.File, of fs.FileInfo) error {
	owner, ok := of.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
