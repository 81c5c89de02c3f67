package proxy

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const canAskPeers = true

// unanswered says how often the kernel has sent bytes again, or asked a peer whose window is closed, since it last
// heard of the peer's system, and when that was (tcp(7), TCP_INFO). Seen on Linux 6.18: a living peer that does not
// read has at most one try open, with up to two minutes from one to the next.
func unanswered(conn net.Conn) (tries int, since time.Duration) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, 0
	}
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			tries = int(info.Retransmits) + int(info.Probes)
			since = time.Duration(info.Last_ack_recv) * time.Millisecond
		}
	})
	return tries, since
}
