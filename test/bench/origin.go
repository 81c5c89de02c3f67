package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// origin is the server behind every contestant: Exchange's words, one mailbox, any message of any size
// from memory. It has to be faster than every relay, so it sends several TLS records with one system call.
type origin struct {
	proof   []byte // how a valid proof ends once decoded
	message []byte // any message is a piece of this, repeated

	mu    sync.Mutex // guards what follows
	conns int
	idle  []*originConn
}

const originCapabilities = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"

func serveOrigin(s setup) (service, error) {
	config, err := s.Certificate.server()
	if err != nil {
		return service{}, err
	}
	// Go begins with small records, which helps web pages. Servers in other languages fill each.
	config.DynamicRecordSizingDisabled = true
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return service{}, err
	}
	o := &origin{
		proof:   []byte("\x01auth=Bearer " + accessToken() + "\x01\x01"),
		message: mailText(1 << 20),
	}
	lines, err := o.serveLines(config)
	if err != nil {
		return service{}, err
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go o.serve(conn, config)
		}
	}()
	return service{tlsAddress: ln.Addr().String(), lines: lines, sessions: o.sessions, push: o.push}, nil
}

func (o *origin) sessions() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.conns
}

// push sends news to sessions in IDLE, picked at random, with the time in it.
func (o *origin) push(count int, every time.Duration) error {
	pick := rand.New(rand.NewPCG(1, 2))
	for range count {
		o.mu.Lock()
		if len(o.idle) == 0 {
			o.mu.Unlock()
			return fmt.Errorf("no session in IDLE")
		}
		c := o.idle[pick.IntN(len(o.idle))]
		o.mu.Unlock()
		if _, err := fmt.Fprintf(c.conn, "%s%d\r\n", pushed, time.Now().UnixNano()); err != nil {
			return err
		}
		time.Sleep(every)
	}
	return nil
}

// pushed begins the line that carries news.
const pushed = "* OK pushed "

// originConn is one connection.
type originConn struct {
	*origin
	conn *tls.Conn
	br   *bufio.Reader
	cork *corkedConn
}

func (o *origin) serve(conn net.Conn, config *tls.Config) {
	defer conn.Close()
	o.mu.Lock()
	o.conns++
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		o.conns--
		o.mu.Unlock()
	}()
	cork := &corkedConn{Conn: conn}
	t := tls.Server(cork, config)
	c := &originConn{origin: o, conn: t, br: bufio.NewReaderSize(t, 8<<10), cork: cork}
	if c.say("* OK The Microsoft Exchange IMAP4 service is ready. [VABFAFMAVAA=]") != nil {
		return
	}
	for {
		line, err := c.br.ReadSlice('\n')
		if err != nil || c.command(strings.TrimRight(string(line), "\r\n")) != nil {
			return
		}
	}
}

func (c *originConn) say(lines ...string) error {
	_, err := io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n")
	return err
}

func (c *originConn) command(line string) error {
	tag, rest, _ := strings.Cut(line, " ")
	name, args, _ := strings.Cut(rest, " ")
	switch name {
	case "CAPABILITY":
		return c.say("* CAPABILITY "+originCapabilities, tag+" OK CAPABILITY completed.")
	case "AUTHENTICATE":
		return c.authenticate(tag, args)
	case "NAMESPACE":
		return c.say(`* NAMESPACE (("" "/")) NIL NIL`, tag+" OK NAMESPACE completed.")
	case "FETCH":
		return c.fetch(tag, args)
	case "APPEND":
		return c.append(tag, args)
	case "IDLE":
		return c.wait(tag)
	}
	return c.say(tag + " OK " + name + " completed.")
}

func (c *originConn) authenticate(tag, args string) error {
	_, proof, _ := strings.Cut(args, " ")
	decoded, err := base64.StdEncoding.DecodeString(proof)
	if err != nil || !bytes.HasSuffix(decoded, c.proof) {
		return c.say(tag + " NO AUTHENTICATE failed.")
	}
	return c.say(tag + " OK AUTHENTICATE completed.")
}

// fetch answers FETCH 1 BODY[]<0.n> with a message of n bytes.
func (c *originConn) fetch(tag, args string) error {
	_, size, _ := strings.Cut(args, "<0.")
	n, err := strconv.Atoi(strings.TrimSuffix(size, ">"))
	if err != nil {
		return c.say(tag + " BAD FETCH")
	}
	c.cork.hold()
	fmt.Fprintf(c.conn, "* 1 FETCH (BODY[]<0> {%d}\r\n", n)
	for n > 0 {
		m, err := c.conn.Write(c.message[:min(n, 64<<10)])
		if err != nil {
			return err
		}
		n -= m
	}
	c.say(")", tag+" OK FETCH completed.")
	return c.cork.release()
}

// append swallows a message.
func (c *originConn) append(tag, args string) error {
	_, size, _ := strings.Cut(args, "{")
	n, err := strconv.Atoi(strings.TrimSuffix(size, "}"))
	if err != nil {
		return c.say(tag + " BAD APPEND")
	}
	if err := c.say("+ Ready for additional command text."); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(c.br, int64(n))); err != nil {
		return err
	}
	if _, err := c.br.ReadSlice('\n'); err != nil {
		return err
	}
	return c.say(tag + " OK APPEND completed.")
}

// wait is IDLE (RFC 2177).
func (c *originConn) wait(tag string) error {
	if err := c.say("+ IDLE accepted, awaiting DONE command."); err != nil {
		return err
	}
	c.mu.Lock()
	c.idle = append(c.idle, c)
	c.mu.Unlock()
	_, err := c.br.ReadSlice('\n')
	c.mu.Lock()
	for i, other := range c.idle {
		if other == c {
			last := len(c.idle) - 1
			c.idle[i] = c.idle[last]
			c.idle = c.idle[:last]
			break
		}
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.say(tag + " OK IDLE completed.")
}

// corkedConn lies below TLS and, while it holds, gathers what TLS writes.
type corkedConn struct {
	net.Conn
	held *bufio.Writer
}

func (c *corkedConn) hold() { c.held = bufio.NewWriterSize(c.Conn, 128<<10) }

func (c *corkedConn) release() error {
	w := c.held
	c.held = nil
	return w.Flush()
}

func (c *corkedConn) Write(p []byte) (int, error) {
	if c.held != nil {
		return c.held.Write(p)
	}
	return c.Conn.Write(p)
}
