package control

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
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

// Socket is the daemon's net.Listener, with the lock that keeps every other daemon from taking its place.
type Socket struct {
	stateDir string

	mu     sync.Mutex
	open   *net.UnixListener
	file   fs.FileInfo // of the socket
	lock   *flock.Flock
	closed bool
}

// Listen makes the daemon's socket, for the owner only. The socket that a crashed daemon left is replaced;
// while a daemon has it, or takes it, it is ErrRunning.
func Listen(stateDir string) (*Socket, error) {
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
	lock := flock.New(lockPath(stateDir), flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil {
		return nil, err
	} else if !ok {
		return nil, ErrRunning
	}
	s := &Socket{stateDir: stateDir, lock: lock}
	if err := s.listen(); err != nil {
		lock.Unlock()
		return nil, err
	}
	return s, nil
}

func lockPath(stateDir string) string {
	return filepath.Join(filepath.Dir(SocketPath(stateDir)), "control.lock")
}

// listen makes the socket. The caller has s to itself, or holds s.mu.
func (s *Socket) listen() error {
	path := SocketPath(s.stateDir)
	ln, err := listenAt(path)
	if err != nil {
		return err
	}
	file, err := os.Lstat(path)
	if err != nil {
		ln.Close()
		return err
	}
	s.open, s.file = ln, file
	return nil
}

// Accept implements net.Listener.
func (s *Socket) Accept() (net.Conn, error) {
	for {
		open := s.listener()
		conn, err := open.Accept()
		if err == nil || open == s.listener() {
			return conn, err
		}
	}
}

func (s *Socket) listener() *net.UnixListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Addr implements net.Listener.
func (s *Socket) Addr() net.Addr { return s.listener().Addr() }

// Close implements net.Listener. It may be called twice.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if !s.inPlace() { // what stands there is another daemon's
		s.open.SetUnlinkOnClose(false)
	}
	return errors.Join(s.open.Close(), s.lock.Unlock())
}

// inPlace reports whether clients find this socket. The caller holds s.mu.
func (s *Socket) inPlace() bool {
	now, err := os.Lstat(SocketPath(s.stateDir))
	return err == nil && os.SameFile(now, s.file)
}

// Renew makes the socket again when it was taken away, alone or with its directory; renewed is false when it is where
// it was. While there is no directory the error is fs.ErrNotExist; when another daemon has taken its place, ErrRunning.
func (s *Socket) Renew() (renewed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, net.ErrClosed
	}
	if s.inPlace() {
		return false, nil
	}
	if _, err := os.Stat(s.stateDir); err != nil {
		return false, err
	}
	if held, err := s.lock.Stat(); err == nil {
		if now, err := os.Lstat(lockPath(s.stateDir)); err == nil && os.SameFile(held, now) {
			return s.replaced(s.listen)
		}
	}
	return s.replaced(func() error {
		next, err := Listen(s.stateDir)
		if err == nil {
			s.lock.Unlock()
			s.open, s.file, s.lock = next.open, next.file, next.lock
		}
		return err
	})
}

// replaced closes the listener in whose place open puts another. The caller holds s.mu.
func (s *Socket) replaced(open func() error) (bool, error) {
	old := s.open
	if err := open(); err != nil {
		return false, err
	}
	old.SetUnlinkOnClose(false) // its name is the new one's
	old.Close()
	return true, nil
}

func listenAt(path string) (*net.UnixListener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, ErrRunning
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}
