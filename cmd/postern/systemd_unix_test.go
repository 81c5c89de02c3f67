//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The daemon takes its socket from systemd, says when it is ready, feeds the watchdog, and says when it stops.
// The test plays systemd (sd_notify(3), sd_listen_fds(3)).
func TestUnderSystemd(t *testing.T) {
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	config := filepath.Join(dir, "config.toml")
	os.WriteFile(config, []byte("[listen]\nimap = \"127.0.0.1:1\"\nweb = \"\"\n"), 0o600) // port 1 must not be opened

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	daemon := filepath.Join(dir, "postern") // by this name the test binary is the program
	if err := os.Symlink(self, daemon); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve`, daemon)
	cmd.Env = append(os.Environ(), "POSTERN_CONFIG="+config, "POSTERN_STATE="+filepath.Join(dir, "state"), "HOME="+dir,
		"NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=400000", "LISTEN_FDS=1", "LISTEN_FDNAMES=imap")
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	expectState(t, notify, "READY=1")
	expectState(t, notify, "WATCHDOG=1")
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if line, _ := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "* OK") {
		t.Errorf("the given socket answers %q", line)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	expectState(t, notify, "STOPPING=1")
	io.Copy(io.Discard, conn)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func expectState(t *testing.T, notify *net.UnixConn, want string) {
	t.Helper()
	notify.SetReadDeadline(time.Now().Add(15 * time.Second))
	b := make([]byte, 4096)
	for {
		n, err := notify.Read(b)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if strings.Contains(string(b[:n]), want) {
			return
		}
	}
}
