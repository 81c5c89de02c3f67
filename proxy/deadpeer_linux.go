package proxy

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unansweredFor is how long bytes may stay without acknowledgement. Keep-alive probes are not sent while
// bytes wait, and without this the kernel tries for a quarter of an hour (tcp(7), TCP_USER_TIMEOUT).
const unansweredFor = 2 * time.Minute

// noticeDeadPeer leaves out this machine's own clients: they do not vanish without the kernel's knowing, and
// the time would also end one that is alive and does not read, such as a mail reader stopped with Ctrl-Z in
// the middle of a message.
func noticeDeadPeer(conn *net.TCPConn) {
	if !isLoopback(conn.RemoteAddr()) {
		endUnanswered(conn, unansweredFor)
	}
}

func endUnanswered(conn *net.TCPConn, after time.Duration) {
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(after.Milliseconds()))
		})
	}
}
