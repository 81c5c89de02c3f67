package main

import (
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/cli/browser"
)

// quietBrowser keeps what a browser, or the program that looks for one, has to say out of our output: it is no result
// of ours, and may repeat the address, which may be a key.
var quietBrowser = sync.OnceFunc(func() { browser.Stdout, browser.Stderr = nil, nil })

// openBrowser says whether a browser has been started, as far as that can be told: some come back at once, some
// when the person closes them.
func openBrowser(address string) bool {
	quietBrowser()
	failed := make(chan error, 1)
	go func() { failed <- browser.OpenURL(address) }()
	select {
	case err := <-failed:
		return err == nil
	case <-time.After(2 * time.Second):
		return true
	}
}

// hasScreen is false where a browser can hardly have opened before the person, as over ssh.
func hasScreen() bool {
	return runtime.GOOS != "linux" || os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
}
