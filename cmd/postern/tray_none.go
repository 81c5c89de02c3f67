//go:build !(linux || freebsd || openbsd || netbsd || windows || darwin)

package main

import (
	"context"
	"errors"
	"runtime"
)

func openDesktop(*tray, context.CancelFunc) (desktop, error) {
	return nil, failed(errors.New("the tray icon is not in this build for "+runtime.GOOS), "postern status and the web page show the same")
}
