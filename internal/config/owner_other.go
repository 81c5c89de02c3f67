//go:build !unix

package config

import (
	"io/fs"
	"os"
)

// giveTo does nothing: a new file on Windows takes its access list from the directory.
func giveTo(*os.File, fs.FileInfo) error { return nil }
