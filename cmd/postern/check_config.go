package main

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// soon is how far ahead an end is announced.
const soon = 30 * 24 * time.Hour

// oldRelease is the age at which a program that guards tokens has most likely missed a repair.
const oldRelease = 365 * 24 * time.Hour

// program says which version this is. Nobody is asked over the network whether there is a newer one.
func (c *checkup) program() {
	t := c.on("program")
	var built time.Time
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				built, _ = time.Parse(time.RFC3339, s.Value)
			}
		}
	}
	name := fmt.Sprintf("postern %s, %s/%s", version(), runtime.GOOS, runtime.GOARCH)
	switch {
	case built.IsZero():
		t.ok("%s", name)
	case time.Since(built) > oldRelease:
		t.warn("install a newer release", "%s, of %s: more than a year old", name, built.Format(time.DateOnly))
	default:
		t.ok("%s, of %s", name, built.Format(time.DateOnly))
	}
}

func (c *checkup) configuration() bool {
	t := c.on("configuration")
	cfg, err := c.app.config()
	if err == nil {
		_, err = providersOf(cfg)
	}
	if err != nil {
		return t.failWith(err)
	}
	c.cfg = cfg
	if cfg.Path == "" {
		return t.ok("there is no file; every key has its default")
	}
	return t.ok("%s, which declares %s", cfg.Path, count(len(cfg.Account), "account"))
}

// permissions looks at who may change the configuration: whoever can, can send the tokens elsewhere.
func (c *checkup) permissions() {
	if c.cfg.Path == "" {
		return
	}
	t := c.on("configuration permissions")
	switch mode, err := modeOf(c.cfg.Path); {
	case err != nil:
		t.fail(exitConfig, "", "%v", err)
	case mode&0o022 != 0:
		t.warn("chmod go-w "+inShell(c.cfg.Path), "other users may change %s (mode %04o)", c.cfg.Path, mode)
	default:
		t.ok("only its owner may change it")
	}
}

// secretFile looks at who may read a file that holds a secret.
func (t topic) secretFile(path string) bool {
	switch mode, err := modeOf(path); {
	case err != nil:
		return t.fail(exitConfig, "", "%v", err)
	case mode&0o007 != 0:
		return t.fail(exitFailed, "chmod 600 "+inShell(path), "every user of this machine may read %s (mode %04o)", path, mode)
	case mode&0o070 != 0:
		return t.warn("chmod 600 "+inShell(path), "the users of its group may read %s (mode %04o)", path, mode)
	}
	return true
}

// modeOf is the permissions of a file. Windows keeps access lists instead, and shows none here.
func modeOf(path string) (fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" {
		return 0, err
	}
	return info.Mode().Perm(), nil
}

// inShell is a path as a person types it.
func inShell(path string) string {
	if strings.ContainsAny(path, " '\"\\$&;()<>|*?`") {
		return strconv.Quote(path)
	}
	return path
}
