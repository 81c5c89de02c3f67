//go:build !unix

package main

// followHangups does nothing: Windows has no SIGHUP, and ends what runs in a window with it. `postern reload` reloads.
func followHangups(*daemon, func(error)) (stop func()) { return func() {} }
