package control

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func TestPeerUserOfARealConnection(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", address)
		if err != nil && strings.HasPrefix(address, "[") {
			continue // a machine without IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		local, remote := netip.MustParseAddrPort(conn.LocalAddr().String()), netip.MustParseAddrPort(conn.RemoteAddr().String())
		if uid, ok := peerUser(local, remote); !ok || uid != os.Getuid() {
			t.Errorf("%s: %d, %v; want %d", address, uid, ok, os.Getuid())
		}
		if _, ok := peerUser(local, netip.AddrPortFrom(remote.Addr(), 1)); ok {
			t.Errorf("%s: somebody is at a port that nobody has", address)
		}
	}
}

func TestFindPeer(t *testing.T) {
	t.Parallel()
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:049C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 21 1 0 100 0 0 10 0
   1: 0100007F:049C 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000  1000        0 22 1 0 20 4 30 10 -1
   2: 0100007F:A1B2 0100007F:049C 01 00000000:00000000 00:00000000 00000000  1001        0 23 1 0 20 4 30 10 -1
   3: 0000000000000000FFFF00000100007F:A1B3 0000000000000000FFFF00000100007F:049C 01 00000000:00000000 00:00000000 00000000  1002        0 24 1
   4: broken
`
	here := netip.MustParseAddrPort("127.0.0.1:1180")
	for peer, want := range map[string]int{"127.0.0.1:41394": 1001, "127.0.0.1:41395": 1002} {
		if uid, ok := findPeer(strings.NewReader(table), here, netip.MustParseAddrPort(peer)); !ok || uid != want {
			t.Errorf("%s: %d, %v; want %d", peer, uid, ok, want)
		}
	}
	if uid, ok := findPeer(strings.NewReader(table), here, netip.MustParseAddrPort("127.0.0.1:9")); ok {
		t.Errorf("nobody is %d", uid)
	}
}
