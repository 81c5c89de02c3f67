//go:build unix

package proxy

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postern/auth"
)

const fewFilesEnv = "POSTERN_TEST_FEW_FILES" // the upstream's address, in a child

// TestFewFiles lets a server of its own process run out of file descriptors: it goes on accepting when there
// are some again. The child is this test with the limit.
func TestFewFiles(t *testing.T) {
	if upstream := os.Getenv(fewFilesEnv); upstream != "" {
		serveWithFewFiles(t, upstream)
		return
	}
	t.Parallel()
	up := newFakeUpstream(t, true)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFewFiles$")
	cmd.Env = append(os.Environ(), fewFilesEnv+"="+up.ln.Addr().String())
	cert, _ := testCertificate()
	cmd.Stdin = strings.NewReader(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	said := bufio.NewReader(out)
	await := func(prefix string) string {
		for {
			line, err := said.ReadString('\n')
			if err != nil {
				t.Fatalf("the child ended: %v", err)
			}
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return strings.TrimSpace(rest)
			}
		}
	}
	p := &proxyUnderTest{upstream: up, addr: await("listening ")}
	go func() {
		for conn := range up.conns {
			go conn.serveNoops()
		}
	}()
	var idle []net.Conn
	for range 100 {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	await("accept failed")
	for _, conn := range idle {
		conn.Close()
	}
	c := p.dial(t)
	c.expect("* OK")
	for {
		c.send(loginLine)
		if line := c.line(); strings.HasPrefix(line, "a OK") {
			break
		} else if !strings.HasPrefix(line, "a NO [UNAVAILABLE]") { // its own connections were not closed yet
			t.Fatalf("got %q", line)
		}
	}
	c.send("b NOOP\r\n")
	c.expect("b OK")
}

// serveNoops lets anybody in and says OK to everything.
func (c *upstreamConn) serveNoops() {
	defer c.Close()
	c.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready")
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return
		}
		tag, _, _ := strings.Cut(line, " ")
		c.send(tag + " OK done")
	}
}

func serveWithFewFiles(t *testing.T, upstream string) {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 50, Max: 50}); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(os.Stdin)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		t.Fatal("no certificate given")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("listening", ln.Addr())
	account := auth.Account{Email: fakeUser, Mailbox: fakeUser, Provider: auth.Provider{Name: "fake", IMAP: upstream, RootCAs: roots}}
	s := &Server{Accounts: &fakeAccounts{tokens: 1, account: account}, Log: textLog(lineWriter{}), NoSpares: true}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.Serve(ctx, ln, IMAP())
}

// lineWriter prints the beginning of the message of each event.
type lineWriter struct{}

func (lineWriter) Write(b []byte) (int, error) {
	if _, msg, ok := strings.Cut(string(b), `msg="`); ok {
		fmt.Println(msg)
	}
	return len(b), nil
}
