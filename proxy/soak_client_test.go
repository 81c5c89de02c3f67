package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// soakClient is the client's side of one session.
type soakClient struct {
	raw    net.Conn
	conn   net.Conn // raw, or TLS on it
	br     *bufio.Reader
	script script

	goAhead chan bool // what became of a command that waits
	quit    chan struct{}
	leave   func() // closes quit

	next     int // response that has not come
	answered map[string]bool
	bye      bool
}

// transport is how a client reaches Postern.
type transport int

const (
	plainTransport transport = iota
	implicitTLS
	startTLS
	transports
)

// soakResult is what a session came to. Bytes that are wrong are an error instead.
type soakResult struct {
	refused  bool // not let in
	whole    bool // everything that either side had to say has arrived
	bye      bool
	answered int
}

// runSoakClient plays the script's client over conn. An error means that bytes were lost, added or changed.
func runSoakClient(w *soakWorld, raw net.Conn, how transport, user string, s script) (soakResult, error) {
	c := &soakClient{raw: raw, conn: raw, script: s, goAhead: make(chan bool, 1), quit: make(chan struct{}), answered: map[string]bool{}}
	c.leave = sync.OnceFunc(func() { close(c.quit) })
	defer func() { c.conn.Close() }()
	raw.SetDeadline(time.Now().Add(time.Minute))
	if how == implicitTLS {
		c.useTLS(w)
	}
	c.br = bufio.NewReaderSize(c.conn, 64<<10)
	if in, err := c.login(w, how, user); err != nil || !in {
		return soakResult{refused: true}, err
	}
	var writing sync.WaitGroup
	writing.Go(c.write)
	err := c.read()
	c.leave()
	if err == nil || s.trouble == clientResets {
		c.conn.Close()
	} else {
		raw.SetDeadline(longAgo)
	}
	writing.Wait()
	r := soakResult{bye: c.bye, answered: len(c.answered)}
	r.whole = c.next == s.responses && len(c.answered) == s.commands
	return r, err
}

func (c *soakClient) useTLS(w *soakWorld) {
	c.conn = tls.Client(c.raw, &tls.Config{RootCAs: w.roots, ServerName: "localhost"})
}

func (c *soakClient) line() (string, error) {
	line, err := c.br.ReadString('\n')
	return line, err
}

// login goes on until Postern lets the client in, or has said often enough why not.
func (c *soakClient) login(w *soakWorld, how transport, user string) (in bool, err error) {
	if line, err := c.line(); err != nil || !strings.HasPrefix(line, "* OK ") {
		return false, w.unlessEnding(fmt.Errorf("greeting %q, %w", line, err))
	}
	if how == startTLS {
		io.WriteString(c.conn, "t STARTTLS\r\n")
		if line, err := c.line(); err != nil || !strings.HasPrefix(line, "t OK ") {
			return false, w.unlessEnding(fmt.Errorf("STARTTLS: %q, %w", line, err))
		}
		c.useTLS(w)
		c.br = bufio.NewReaderSize(c.conn, 64<<10)
	}
	select1 := fmt.Sprintf("s SELECT soak-%d\r\n", c.script.number)
	for range 6 {
		// Some clients say the next thing before they know that they are in.
		early := c.script.number%5 == 0
		text := fmt.Sprintf("l LOGIN %s {%d+}\r\n%s\r\n", user, len(soakPassword), soakPassword)
		if early {
			text += select1
		}
		io.WriteString(c.conn, text)
		line, err := c.line()
		if err != nil {
			return false, w.unlessEnding(fmt.Errorf("login: %q, %w", line, err))
		}
		if strings.HasPrefix(line, "l OK ") {
			if !early {
				io.WriteString(c.conn, select1)
			}
			return c.selected(w)
		}
		if line == "* BYE Postern: "+errSoakEnded.Error()+"\r\n" && w.disturbed(user) > 0 {
			return false, nil
		}
		if strings.HasPrefix(line, "* BYE ") {
			return false, w.unlessEnding(fmt.Errorf("login: %q", line))
		}
		if !strings.HasPrefix(line, "l NO [UNAVAILABLE] ") && !strings.HasPrefix(line, "l NO [LIMIT] ") {
			return false, fmt.Errorf("login: %q", line)
		}
		if early {
			if line, err := c.line(); err != nil || !strings.HasPrefix(line, "s BAD ") {
				return false, w.unlessEnding(fmt.Errorf("SELECT without a login: %q, %w", line, err))
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	io.WriteString(c.conn, "o LOGOUT\r\n")
	io.Copy(io.Discard, c.br)
	return false, nil
}

func (c *soakClient) selected(w *soakWorld) (bool, error) {
	line, err := c.line()
	if err == nil && line == "s OK [READ-WRITE] selected {3}\r\n" {
		return true, nil
	}
	if err != nil && line == "" || strings.HasPrefix(line, "* BYE ") {
		return false, nil // ended between
	}
	return false, fmt.Errorf("answer to SELECT %q, %v", line, err)
}

// write sends the commands, pipelined but where a go-ahead is awaited.
func (c *soakClient) write() {
	for i := range c.script.commands {
		cmd := c.script.command(i)
		if i == c.script.at && c.vanish(cmd.head) {
			return
		}
		if !c.send(cmd.head) {
			return
		}
		if !cmd.waits {
			continue
		}
		select {
		case agreed := <-c.goAhead:
			if agreed && !c.send(cmd.rest) {
				return
			}
		case <-c.quit:
			return
		}
	}
	if c.script.trouble == halfClose {
		c.conn.(interface{ CloseWrite() error }).CloseWrite()
		return
	}
	c.send([]byte("z LOGOUT\r\n"))
}

func (c *soakClient) send(b []byte) bool {
	piece := len(b)
	if c.script.trouble == bytewiseClient {
		piece = 1
	}
	for len(b) > 0 {
		n := min(piece, len(b))
		if _, err := c.conn.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}

// vanish is the client's trouble.
func (c *soakClient) vanish(head []byte) bool {
	switch c.script.trouble {
	case clientCloses:
		c.send(head[:len(head)/2])
		c.conn.Close()
	case clientResets:
		c.send(head[:len(head)/2])
		c.raw.(interface{ SetLinger(int) error }).SetLinger(0)
		c.raw.Close()
	default:
		return false
	}
	return true
}

// read checks what comes, response by response, until the session is over.
func (c *soakClient) read() error {
	for n := 0; ; n++ {
		switch c.script.trouble {
		case slowClient:
			time.Sleep(time.Duration(n%9) * time.Millisecond)
		case clientStopsToRead:
			if c.next == c.script.at/2 {
				time.Sleep(300 * time.Millisecond)
				c.raw.(interface{ SetLinger(int) error }).SetLinger(0)
				c.raw.Close()
			}
		case upstreamFreezes:
			c.raw.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		}
		over, err := c.one()
		if over || err != nil {
			return err
		}
	}
}

// one takes one response. The session may be over at any byte; what came before must be right.
func (c *soakClient) one() (over bool, err error) {
	first, _ := c.br.Peek(6)
	if len(first) == 0 {
		return true, nil
	}
	if !bytes.HasPrefix(first, []byte("* ")) || string(first) == "* BYE " {
		return c.lineOfItsOwn()
	}
	if c.next >= c.script.responses {
		line, _ := c.line()
		return true, fmt.Errorf("%.80q after the last response", line)
	}
	want := c.script.response(c.next)
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.br, got)
	if !bytes.Equal(got[:n], want[:n]) {
		at := firstDifference(got[:n], want)
		return true, fmt.Errorf("response %d, byte %d of %.60q is wrong: %.60q", c.next, at, want, got[at:n])
	}
	if err != nil {
		return true, nil
	}
	c.next++
	return false, nil
}

// lineOfItsOwn is a go-ahead, the answer to a command, or the end.
func (c *soakClient) lineOfItsOwn() (over bool, err error) {
	line, err := c.line()
	tag, _, _ := strings.Cut(line, " ")
	switch {
	case tag == "+" && line == "+ go ahead {4}\r\n":
		c.goAhead <- true
		return false, nil
	case strings.HasPrefix(line, "* BYE ") && err == nil:
		c.bye = true
		return true, c.behindBye()
	case tag != "" && tag[0] == 'c' && err == nil:
		var i int
		fmt.Sscanf(tag, "c%d", &i)
		cmd := c.script.command(i)
		if i >= c.script.commands || line != cmd.answer || c.answered[tag] {
			return true, fmt.Errorf("answer %.80q, want %q once", line, cmd.answer)
		}
		c.answered[tag] = true
		if cmd.waits && !cmd.agreed {
			c.goAhead <- false
		}
		return false, nil
	case err != nil && c.mayBegin(line):
		return true, nil
	}
	return true, fmt.Errorf("%.80q, %v", line, err)
}

// behindBye is the answer to LOGOUT, and answers of Postern's own that found no room before.
func (c *soakClient) behindBye() error {
	for {
		line, err := c.line()
		if err != nil {
			return nil
		}
		if line == "z OK LOGOUT completed.\r\n" {
			continue
		}
		var i int
		fmt.Sscanf(line, "c%d ", &i)
		cmd := c.script.command(i)
		if !cmd.stays || line != cmd.answer || c.answered[cmd.tag] {
			return fmt.Errorf("%.80q behind BYE", line)
		}
		c.answered[cmd.tag] = true
	}
}

// mayBegin says whether part is the beginning of anything that may come next.
func (c *soakClient) mayBegin(part string) bool {
	possible := []string{"+ go ahead {4}\r\n", "* BYE "}
	if c.next < c.script.responses {
		possible = append(possible, string(c.script.response(c.next)))
	}
	for i := range c.script.commands {
		possible = append(possible, c.script.command(i).answer)
	}
	for _, p := range possible {
		if strings.HasPrefix(p, part) {
			return true
		}
	}
	return strings.HasPrefix(part, "* BYE ")
}

var errSoakEnded = errors.New("session ended")
