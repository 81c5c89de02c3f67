//go:build !unix

package proxy

import "errors"

// Windows completes reads instead of announcing them, so a small buffer has to wait there.
const canWaitReady = false

var errNothingYet = errors.New("nothing to read yet")

func readNow(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
