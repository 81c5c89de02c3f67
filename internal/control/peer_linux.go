package control

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// peerUser finds out whose process is at the remote end of a connection within this machine (proc_net_tcp in the
// kernel's documentation). ok is false when the kernel does not tell.
func peerUser(local, remote netip.AddrPort) (uid int, ok bool) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		uid, ok = findPeer(f, local, remote)
		f.Close()
		if ok {
			return uid, true
		}
	}
	return 0, false
}

// findPeer looks for the peer's socket: what is remote to us is local to it.
func findPeer(table io.Reader, local, remote netip.AddrPort) (uid int, ok bool) {
	for lines := bufio.NewScanner(table); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || !strings.Contains(f[1], ":") || socketAddress(f[1]) != remote || socketAddress(f[2]) != local {
			continue
		}
		uid, err := strconv.Atoi(f[7])
		return uid, err == nil
	}
	return 0, false
}

// socketAddress reads 0100007F:1F90: words in the machine's own order, and a port.
func socketAddress(s string) netip.AddrPort {
	address, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(address)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n))
}
