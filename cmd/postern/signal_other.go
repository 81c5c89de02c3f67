//go:build !unix

package main

// reloadOnSignal does nothing: Windows has no SIGHUP; `postern reload` does the same.
func reloadOnSignal(*daemon) (stop func()) { return func() {} }
