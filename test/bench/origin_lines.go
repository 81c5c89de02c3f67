package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
)

// lineOrigin is one connection of the server's SMTP or POP3.
type lineOrigin struct {
	*origin
	conn net.Conn
	br   *bufio.Reader
	cork *corkedConn
}

// serveLines opens SMTP with STARTTLS and POP3 with TLS from the first byte.
func (o *origin) serveLines(config *tls.Config) (lineDoors, error) {
	smtp, err := accept(func(conn net.Conn) { o.line(conn).smtp(config) })
	if err != nil {
		return lineDoors{}, err
	}
	pop3, err := accept(func(conn net.Conn) {
		l := o.line(conn)
		l.secure(config)
		l.pop3()
	})
	return lineDoors{SMTP: smtp, POP3: pop3}, err
}

// accept serves a new address in the background.
func accept(serve func(net.Conn)) (address string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return ln.Addr().String(), nil
}

func (o *origin) line(conn net.Conn) *lineOrigin {
	cork := &corkedConn{Conn: conn}
	return &lineOrigin{origin: o, conn: cork, br: bufio.NewReaderSize(cork, busyBuffer), cork: cork}
}

func (l *lineOrigin) secure(config *tls.Config) {
	l.conn = tls.Server(l.conn, config)
	l.br.Reset(l.conn)
}

// converse answers each command with what answer says, until that is "" or the connection ends.
func (l *lineOrigin) converse(greeting string, answer func(command string) string) {
	for reply := greeting; reply != ""; {
		if _, err := io.WriteString(l.conn, reply+"\r\n"); err != nil {
			return
		}
		line, err := l.br.ReadSlice('\n')
		if err != nil {
			return
		}
		reply = answer(strings.TrimRight(string(line), "\r\n"))
	}
}

// proves asks for the second line of AUTH XOAUTH2.
func (l *lineOrigin) proves(challenge string) bool {
	io.WriteString(l.conn, challenge+"\r\n")
	line, err := l.br.ReadSlice('\n')
	if err != nil {
		return false
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimRight(string(line), "\r\n"))
	return err == nil && bytes.HasSuffix(decoded, l.proof)
}

func (l *lineOrigin) smtp(config *tls.Config) {
	extensions := "STARTTLS"
	answer := func(command string) string {
		verb, _, _ := strings.Cut(command, " ")
		switch verb {
		case "EHLO":
			return "250-bench.example Hello\r\n250-SIZE 157286400\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 " + extensions
		case "AUTH":
			if l.proves("334 ") {
				return "235 2.7.0 Authentication successful"
			}
			return "535 5.7.3 Authentication unsuccessful"
		case "DATA":
			return l.data()
		}
		return "250 2.0.0 OK"
	}
	l.converse("220 bench.example Microsoft ESMTP MAIL Service ready", func(command string) string {
		if command != "STARTTLS" {
			return answer(command)
		}
		io.WriteString(l.conn, "220 2.0.0 SMTP server ready\r\n")
		l.secure(config)
		extensions = "AUTH LOGIN XOAUTH2"
		if line, err := l.br.ReadSlice('\n'); err == nil {
			return answer(strings.TrimRight(string(line), "\r\n"))
		}
		return ""
	})
}

// data swallows a message. Its end is also the end of what has arrived, for nobody sends on before the reply.
func (l *lineOrigin) data() string {
	io.WriteString(l.conn, "354 Start mail input; end with <CRLF>.<CRLF>\r\n")
	const end = "\r\n.\r\n"
	var tail [len(end)]byte
	for string(tail[:]) != end {
		if _, err := l.br.Peek(1); err != nil {
			return ""
		}
		chunk, _ := l.br.Peek(l.br.Buffered())
		last := append(tail[:len(tail):len(tail)], chunk[max(0, len(chunk)-len(tail)):]...)
		copy(tail[:], last[len(last)-len(tail):])
		l.br.Discard(len(chunk))
	}
	return "250 2.0.0 OK"
}

func (l *lineOrigin) pop3() {
	l.converse("+OK The Microsoft Exchange POP3 service is ready.", func(command string) string {
		switch verb, _, _ := strings.Cut(command, " "); verb {
		case "CAPA":
			return "+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n."
		case "AUTH":
			if l.proves("+ ") {
				return "+OK User successfully authenticated."
			}
			return "-ERR Authentication failure: unknown user name or bad password."
		case "RETR":
			return l.retrieve()
		}
		return "+OK"
	})
}

func (l *lineOrigin) retrieve() string {
	l.cork.hold()
	fmt.Fprintf(l.conn, "+OK %d octets\r\n", largeMessage+2)
	text := mailText(busyBuffer)
	for left := largeMessage; left > 0; {
		n, err := l.conn.Write(text[:min(left, len(text))])
		if err != nil {
			return ""
		}
		left -= n
	}
	if l.cork.release() != nil {
		return ""
	}
	return "\r\n."
}
