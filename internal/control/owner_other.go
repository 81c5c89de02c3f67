//go:build !unix

package control

// ownedByUs has nothing to ask: on Windows the directory for temporary files is each user's own.
func ownedByUs(string) error { return nil }
