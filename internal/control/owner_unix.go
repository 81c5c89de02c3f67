//go:build unix

package control

import (
	"fmt"
	"os"
	"syscall"
)

// ownedByUs refuses a directory that somebody else made in our place.
func ownedByUs(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || !fi.IsDir() || int(st.Uid) != os.Getuid() || fi.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a private directory of ours; remove it", dir)
	}
	return nil
}
