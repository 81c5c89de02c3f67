package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"postern/proxy"
)

// `postern reload`, SIGHUP and systemd may all ask at once. Each sees what the one before has done.
func TestReloadsTakeTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[listen]\nimap = \"127.0.0.1:0\"\nweb = \"\"\n")
	a := &app{
		ui: &ui{in: strings.NewReader(""), out: io.Discard, err: t.Output()}, isDaemon: true,
		o: &options{global: globalOptions{config: file, state: filepath.Join(dir, "state")}},
	}
	defer a.close()
	m, err := a.accounts()
	if err != nil {
		t.Fatal(err)
	}
	log, err := a.log()
	if err != nil {
		t.Fatal(err)
	}
	d := newDaemon(m, &proxy.Server{}, log)
	defer d.close()
	if err := d.listen(a.cfg); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		ended <- d.run(ctx)
	}()
	<-started

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	write("[listen]\nimap = \"127.0.0.1:0\"\nweb = \"\"\npop3 = \"" + free.Addr().String() + "\"\n")
	free.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := a.reload(d, m); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if at := d.address("pop3"); at != free.Addr().String() {
		t.Errorf("pop3 is at %q, want %v", at, free.Addr())
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
