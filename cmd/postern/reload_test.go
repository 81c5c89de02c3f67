package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/proxy"
)

// reloading is a daemon whose configuration a test changes.
type reloading struct {
	*daemon
	t      *testing.T
	file   string
	reload func() error
}

// serveListen starts one with these lines in [listen].
func serveListen(t *testing.T, lines string) *reloading {
	t.Helper()
	dir := t.TempDir()
	r := &reloading{t: t, file: filepath.Join(dir, "config.toml")}
	r.write(lines)
	a := &app{
		ui: &ui{in: strings.NewReader(""), out: io.Discard, err: t.Output()}, isDaemon: true,
		o: &options{global: globalOptions{config: r.file, state: filepath.Join(dir, "state")}},
	}
	t.Cleanup(a.close)
	m, err := a.accounts()
	if err != nil {
		t.Fatal(err)
	}
	log, err := a.log()
	if err != nil {
		t.Fatal(err)
	}
	r.daemon = newDaemon(m, &proxy.Server{}, log)
	t.Cleanup(r.close)
	if err := r.listen(a.cfg); err != nil {
		t.Fatal(err)
	}
	r.reload = func() error { return a.reload(r.daemon, m) }
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		ended <- r.run(ctx)
	}()
	<-started
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// write makes it the configuration of the next reload.
func (r *reloading) write(lines string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte("[listen]\nweb = \"\"\n"+lines), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// greeted connects to the daemon's IMAP port at a host.
func (r *reloading) greeted(host string) *bufio.ReadWriter {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.address("imap"))
	conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	if line, err := c.ReadString('\n'); !strings.HasPrefix(line, "* OK") {
		r.t.Fatalf("greeting %q, %v", line, err)
	}
	return c
}

// lives says whether a session goes on.
func (r *reloading) lives(c *bufio.ReadWriter) {
	r.t.Helper()
	c.WriteString("a NOOP\r\n")
	c.Flush()
	if line, err := c.ReadString('\n'); line != "a OK NOOP completed\r\n" {
		r.t.Errorf("the session answers %q, %v", line, err)
	}
}

// `postern reload`, SIGHUP and systemd may all ask at once. Each sees what the one before has done.
func TestReloadsTakeTurns(t *testing.T) {
	t.Parallel()
	r := serveListen(t, "imap = \"127.0.0.1:0\"\n")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.write("imap = \"127.0.0.1:0\"\npop3 = \"" + free.Addr().String() + "\"\n")
	free.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := r.reload(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if at := r.address("pop3"); at != free.Addr().String() {
		t.Errorf("pop3 is at %q, want %v", at, free.Addr())
	}
}

// An address may become another that has it in it, or another port's. Who is connected stays, and when the new address
// can not be had, the old one is there again.
func TestReloadToAnAddressInUse(t *testing.T) {
	t.Parallel()
	r := serveListen(t, "imap = \"127.0.0.1:0\"\n")
	_, port, _ := net.SplitHostPort(r.address("imap"))
	first := r.greeted("127.0.0.1")
	for _, host := range []string{"0.0.0.0", "localhost", "127.0.0.1"} {
		r.write("allow_insecure = true\nimap = \"" + host + ":" + port + "\"\n")
		if err := r.reload(); err != nil {
			t.Fatalf("to %s: %v", host, err)
		}
		r.lives(first)
		r.lives(r.greeted("127.0.0.1"))
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const account = "[account.\"ann@example.com\"]\nprovider = \"outlook\"\nclient_id = \"some\"\ntenant = \"no tenant\"\n"
	for name, bad := range map[string]string{"port": "pop3 = \"" + taken.Addr().String() + "\"\n", "account": account} {
		r.write("allow_insecure = true\nimap = \"0.0.0.0:" + port + "\"\n" + bad)
		if err := r.reload(); err == nil {
			t.Errorf("the %s is good enough", name)
		}
		if at := r.address("imap"); at != "127.0.0.1:"+port {
			t.Errorf("imap is at %q", at)
		}
		r.lives(first)
		r.lives(r.greeted("127.0.0.1"))
	}
}
