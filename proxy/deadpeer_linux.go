package proxy

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unansweredFor is how long bytes may stay without acknowledgement. Keep-alive probes are not sent while
// bytes wait, and without this the kernel tries for a quarter of an hour (tcp(7), TCP_USER_TIMEOUT).
const unansweredFor = 2 * time.Minute

func noticeDeadPeer(conn *net.TCPConn) {
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unansweredFor.Milliseconds()))
		})
	}
}
