package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// largest returns how much more memory the process holds while f runs than before, at most. The collector runs
// often meanwhile, so that what is in use is seen, and not what waits to be collected.
func largest(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	base := weigh().heap
	most := base
	done := make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			case <-done:
				return
			}
		}
	})
	f()
	close(done)
	sampling.Wait()
	return most - base
}

// constantMemory is more than any relay needs, and much less than the messages of these tests.
const constantMemory = 12 << 20

// pattern is an endless stream that shows when something of it is missing.
type pattern struct {
	at  int64
	sum hash.Hash
}

func newPattern() *pattern { return &pattern{sum: sha256.New()} }

func (p *pattern) Read(b []byte) (int, error) {
	n := copy(b, noise[p.at%(1<<20):])
	p.at += int64(n)
	p.sum.Write(b[:n])
	return n, nil
}

// A message of 100 MB passes in each direction, and nobody keeps it.
func TestHugeMessages(t *testing.T) {
	const size = 100 << 20
	p := newProxy(t)
	send := func(t *testing.T, to io.Writer) []byte {
		src := newPattern()
		if n, err := io.CopyN(to, src, size); err != nil || n != size {
			t.Errorf("sent %d: %v", n, err)
		}
		return src.sum.Sum(nil)
	}
	receive := func(t *testing.T, from *bufio.Reader) []byte {
		sum := sha256.New()
		if n, err := io.CopyN(sum, from, size); err != nil || n != size {
			t.Errorf("received %d: %v", n, err)
		}
		return sum.Sum(nil)
	}
	pass := func(t *testing.T, to io.Writer, from *bufio.Reader) {
		var sent, received []byte
		grown := largest(func() {
			var both sync.WaitGroup
			both.Go(func() { sent = send(t, to) })
			received = receive(t, from)
			both.Wait()
		})
		if !bytes.Equal(sent, received) {
			t.Error("other bytes arrived than were sent")
		}
		if grown > constantMemory {
			t.Errorf("%d KiB more in use while %d MiB passed", grown>>10, size>>20)
		}
	}
	t.Run("FETCH", func(t *testing.T) {
		c, up := p.login(t)
		defer up.Close()
		c.SetDeadline(time.Now().Add(2 * time.Minute))
		up.SetDeadline(time.Now().Add(2 * time.Minute))
		c.send("b FETCH 1 BODY[]\r\n")
		up.line(t)
		up.send(fmt.Sprintf("* 1 FETCH (BODY[] {%d}", size))
		c.expect("* 1 FETCH")
		pass(t, up, c.br)
		up.send(")", "b OK done")
		c.expect("b OK")
	})
	for name, mark := range map[string]string{"APPEND": "", "APPEND without asking": "+"} {
		t.Run(name, func(t *testing.T) {
			c, up := p.login(t)
			defer up.Close()
			c.SetDeadline(time.Now().Add(2 * time.Minute))
			c.send(fmt.Sprintf("b APPEND INBOX {%d%s}\r\n", size, mark))
			up.line(t)
			up.SetDeadline(time.Now().Add(2 * time.Minute))
			if mark == "" {
				up.send("+ go ahead")
				c.expect("+")
			}
			pass(t, c, up.br)
			c.send("\r\n")
			up.line(t)
			up.send("b OK done")
			c.expect("b OK")
		})
	}
}

// awaitStill waits until a number that grows does so no more.
func awaitStill(read func() int64) {
	last, since := int64(-1), time.Now()
	for time.Since(since) < 300*time.Millisecond {
		if now := read(); now != last {
			last, since = now, time.Now()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// awaitStall waits until a client that does not read gets no more.
func (p *proxyUnderTest) awaitStall(t *testing.T, c *client) {
	t.Helper()
	awaitStill(func() int64 {
		for _, s := range p.Sessions() {
			if s.Remote == c.LocalAddr().String() {
				return s.Down
			}
		}
		t.Fatal("the client has no session")
		return 0
	})
}

// A side that does not read stops the other one; nothing is gathered between them.
func TestBackPressure(t *testing.T) {
	const much = 1 << 30 // more than all socket buffers
	p := newProxy(t)
	stalls := func(t *testing.T, to net.Conn) {
		var sent atomic.Int64
		over := make(chan error, 1)
		grown := largest(func() {
			go func() {
				to.SetWriteDeadline(time.Now().Add(time.Minute))
				piece := noise[:64<<10]
				for sent.Load() < much {
					n, err := to.Write(piece)
					sent.Add(int64(n))
					if err != nil {
						over <- err
						return
					}
				}
				over <- nil
			}()
			awaitStill(sent.Load)
		})
		if n := sent.Load(); n >= much {
			t.Errorf("%d MiB were taken from one side while the other did not read", n>>20)
		}
		if grown > constantMemory {
			t.Errorf("%d KiB more in use", grown>>10)
		}
		to.Close()
		<-over
	}
	t.Run("client does not read", func(t *testing.T) {
		c, up := p.login(t)
		defer c.Close()
		up.send(fmt.Sprintf("* 1 FETCH (BODY[] {%d}", int64(2*much)))
		stalls(t, up)
	})
	t.Run("upstream does not read", func(t *testing.T) {
		c, up := p.login(t)
		defer up.Close()
		c.send(fmt.Sprintf("b APPEND INBOX {%d+}\r\n", int64(2*much)))
		stalls(t, c)
	})
	waitFor(t, func() bool { return len(p.Sessions()) == 0 })
}

// The end of the server finds one client that reads a large message, one that has stopped reading it, and
// one that sends one: each hears BYE at a boundary or nothing, within the time for that.
func TestShutdownWhileStreaming(t *testing.T) {
	t.Parallel()
	p := newProxy(t, func(s *Server) { s.Settings.Limits.DrainTime = 500 * time.Millisecond })
	stream := func(up *upstreamConn, reading *sync.WaitGroup) {
		reading.Go(func() {
			for i := 0; ; i++ {
				body := noise[i%1000 : i%1000+200_000]
				if _, err := fmt.Fprintf(up, "* %d FETCH (BODY[] {%d}\r\n%s)\r\n", i, len(body), body); err != nil {
					return
				}
			}
		})
	}
	var sides sync.WaitGroup
	reader, readerUp := p.login(t)
	stream(readerUp, &sides)
	stopped, stoppedUp := p.login(t)
	stream(stoppedUp, &sides)
	writer, writerUp := p.login(t)
	defer writerUp.Close()
	writer.send(fmt.Sprintf("b APPEND INBOX {%d+}\r\n", 1<<40))
	sides.Go(func() { io.Copy(writer, newPattern()) })
	sides.Go(func() { writerUp.SetDeadline(time.Time{}); io.Copy(io.Discard, writerUp.br) })

	read := func(c *client) (whole int, last string, err error) {
		for {
			line, err := c.br.ReadString('\n')
			if err != nil {
				return whole, line, err
			}
			if strings.HasPrefix(line, "* BYE ") {
				_, err := c.br.ReadByte()
				return whole, line, err
			}
			l, ok := literalAt([]byte(line))
			if !strings.HasPrefix(line, fmt.Sprintf("* %d FETCH ", whole)) || !ok {
				return whole, line, errors.New("no boundary")
			}
			body := make([]byte, l.size)
			if n, err := io.ReadFull(c.br, body); err != nil || !bytes.Equal(body, noise[whole%1000:whole%1000+200_000]) {
				if bytes.Equal(body[:n], noise[whole%1000:whole%1000+n]) {
					return whole, "cut", err
				}
				return whole, "", errors.New("other bytes")
			}
			if line, err = c.br.ReadString('\n'); line != ")\r\n" {
				return whole, line, err
			}
			whole++
		}
	}
	readerDone := make(chan string, 1)
	started := make(chan struct{})
	go func() {
		reader.br.Peek(1000)
		close(started)
		whole, last, err := read(reader)
		readerDone <- fmt.Sprintf("%d whole, then %.20q, %v", whole, last, err)
	}()
	<-started
	p.awaitStall(t, stopped)
	p.stop()
	if got := <-readerDone; !strings.Contains(got, `"* BYE `) || !strings.HasSuffix(got, ", EOF") {
		t.Errorf("the client that reads got %s", got)
	}
	if line, err := writer.br.ReadString('\n'); !strings.HasPrefix(line, "* BYE ") {
		t.Errorf("the client that sends got %q, %v", line, err)
	}
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(10 * time.Second):
		t.Fatal("the server goes on")
	}
	if whole, last, err := read(stopped); last != "cut" && !strings.HasPrefix(last, "* BYE ") {
		t.Errorf("the client that had stopped got %d whole, then %.40q, %v", whole, last, err)
	}
	writer.Close()
	sides.Wait()
}
