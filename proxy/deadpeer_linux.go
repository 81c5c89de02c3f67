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
// the time also ends one that is alive and does not read, such as a mail reader stopped with Ctrl-Z in the
// middle of a message. Answers to the probes of a closed window do not start the time anew (golang/go#31490 of
// Linux 4.9; seen on 6.18), so a server that takes no byte of an upload for two minutes is given up as well. A
// longer time is no way out: it replaces the count of keep-alive probes, and an idle connection to a dead machine
// would be kept as long.
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
