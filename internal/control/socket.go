package control

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// ErrRunning means that a daemon serves this state directory already.
var ErrRunning = errors.New("another postern serve uses this state directory")

// maxSocketPath is what a Unix socket's name may have on macOS (104 with the final NUL), the shortest of all systems.
const maxSocketPath = 103

// SocketPath is where the daemon of a state directory listens. A directory too deep for a socket's name
// gets one in the directory for temporary files, named after it.
func SocketPath(stateDir string) string {
	path := filepath.Join(stateDir, "control.sock")
	if len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(stateDir))
	return filepath.Join(os.TempDir(), fmt.Sprintf("postern-%d-%s", os.Getuid(), hex.EncodeToString(sum[:8])), "control.sock")
}

// socket is the daemon's, with the lock that keeps every other daemon from taking its place.
type socket struct {
	net.Listener
	lock *flock.Flock
}

// Close implements net.Listener. It may be called twice.
func (s *socket) Close() error { return errors.Join(s.Listener.Close(), s.lock.Unlock()) }

// Listen makes the daemon's socket, for the owner only. The socket that a crashed daemon left is replaced;
// while a daemon has it, or takes it, it is ErrRunning.
func Listen(stateDir string) (net.Listener, error) {
	path := SocketPath(stateDir)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if dir != filepath.Clean(stateDir) {
		if err := ownedByUs(dir); err != nil {
			return nil, err
		}
	}
	// Two daemons that start together find no socket that answers, and each would remove the other's.
	lock := flock.New(filepath.Join(dir, "control.lock"), flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil {
		return nil, err
	} else if !ok {
		return nil, ErrRunning
	}
	ln, err := listenAt(path)
	if err != nil {
		lock.Unlock()
		return nil, err
	}
	return &socket{ln, lock}, nil
}

func listenAt(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, ErrRunning
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}
