package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"postern/internal/control"
	"postern/internal/store"
)

func (c *checkup) stateDirectory() bool {
	t := c.on("state directory")
	dir := c.app.stateDir()
	if dir == "" {
		return t.fail(exitFailed, "name one with --state DIR", "the environment has no home to keep it in")
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := canWriteIn(nearest(dir)); err != nil {
			return t.fail(exitFailed, "choose another with --state DIR", "%s is not there, and can not be made: %v", dir, err)
		}
		return t.ok("%s is not there yet; it is made when there is something to keep. One that was there before: mount it again or make it, and a daemon that runs fills it", dir)
	case err != nil:
		return t.fail(exitFailed, "let the user that runs Postern into it, or choose another with --state DIR", "%v", err)
	case !info.IsDir():
		return t.fail(exitFailed, "choose another with --state DIR", "%s is not a directory", dir)
	}
	written := dir
	if records := filepath.Join(dir, "store"); isDir(records) {
		written = records
	}
	if err := canWriteIn(written); err != nil {
		return t.fail(exitFailed, "make room on the disk, or give the directory to the user that runs Postern; until then no renewed token can be kept",
			"can not write in it: %v", err)
	}
	switch mode, _ := modeOf(dir); {
	case mode&0o022 != 0:
		return t.fail(exitFailed, "chmod 700 "+inShell(dir), "other users may change what is in %s (mode %04o)", dir, mode)
	case mode&0o055 != 0:
		return t.warn("chmod 700 "+inShell(dir), "other users may look into %s (mode %04o)", dir, mode)
	}
	return t.ok("%s", dir)
}

// nearest is the first directory upwards that is there.
func nearest(dir string) string {
	for !isDir(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	return dir
}

// canWriteIn writes as much as a record and takes it away again.
func canWriteIn(dir string) error {
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 16<<10))
	return errors.Join(err, f.Sync(), f.Close())
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// tokenStore opens the store and sees whether its key opens the records. A store that is not there is not made.
func (c *checkup) tokenStore(ctx context.Context) bool {
	t := c.on("token store")
	if c.cfg.Store.URL == "" && !isDir(filepath.Join(c.app.stateDir(), "store")) {
		c.store = store.NewMemory()
		return t.ok("none yet; it is made when there is something to keep")
	}
	st, err := c.app.openStore(c.cfg)
	if err != nil {
		return t.failWith(err)
	}
	c.store, c.app.store = st, st
	records, err := st.List(ctx)
	if err != nil {
		return t.failWith(err)
	}
	place := "in a database"
	if f, ok := st.(*store.File); ok {
		place = "sealed with the " + f.Describe()
		if before := f.Unfinished(); before != "" {
			t.warn("nothing: it goes on by itself while both keys can be reached", "a change of keys was interrupted; some records still need the %s", before)
		}
	}
	return t.opens(ctx, st, records, place)
}

// opens reads the records. When none can be read it is the key's trouble, or the whole store's; otherwise it is
// that of their accounts.
func (t topic) opens(ctx context.Context, st store.Store, records []string, place string) bool {
	var first error
	bad := 0
	for _, account := range records {
		if _, err := st.View(ctx, account); err != nil {
			first = cmp.Or(first, err)
			bad++
		}
	}
	switch {
	case bad == 0:
		return t.ok("%s, %s", count(len(records), "record"), place)
	case bad == len(records):
		found, cure := foundAndCure(first)
		// It would only name the record that happened to be read.
		if _, key, ok := strings.Cut(found, "the key of the store: "); ok {
			found = key
		}
		return t.fail(exitFailed, cure, "%s", found)
	}
	return t.warn("see the accounts below", "%d of %s can not be opened, %s", bad, count(len(records), "record"), place)
}

// foundAndCure takes apart an error of the store, which names its cure behind the last semicolon.
func foundAndCure(err error) (found, cure string) {
	text := err.Error()
	i := strings.LastIndex(text, "; ")
	if i < 0 {
		return text, hint(err)
	}
	cure = text[i+2:]
	if command, ok := strings.CutPrefix(cure, `run "`); ok {
		cure = strings.TrimSuffix(command, `"`)
	}
	return text[:i], cure
}

// daemon asks the one that serves this state directory.
func (c *checkup) daemon(ctx context.Context) {
	t := c.on("daemon")
	st, err := control.NewClient(c.app.stateDir()).Status(ctx)
	switch {
	case errors.Is(err, control.ErrNotRunning) && !isDir(c.app.stateDir()):
		t.warn("postern serve", "none can be asked without the state directory")
	case errors.Is(err, control.ErrNotRunning):
		t.warn("postern serve", "it is not running: mail clients find nobody")
	case err != nil:
		t.fail(exitFailed, "stop it and start it again", "it runs but does not answer: %v", err)
	case st.Version != version():
		c.running = &st
		t.warn("stop it and start it again", "it runs (process %d) as version %s, which is not the one installed", st.PID, st.Version)
	default:
		c.running = &st
		t.ok("it runs (process %d), version %s", st.PID, st.Version)
	}
}
