package main

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"strings"
)

// serveLines opens the minimal relay's SMTP and POP3.
func (m *minimalRelay) serveLines(upstream lineDoors) (lineDoors, error) {
	smtp, err := accept(func(local net.Conn) { m.smtp(local, upstream.SMTP) })
	if err != nil {
		return lineDoors{}, err
	}
	pop3, err := accept(func(local net.Conn) { m.pop3(local, upstream.POP3) })
	return lineDoors{SMTP: smtp, POP3: pop3}, err
}

func (m *minimalRelay) smtp(local net.Conn, upstream string) {
	br := bufio.NewReader(local)
	io.WriteString(local, "220 ready\r\n")
	br.ReadString('\n')
	io.WriteString(local, "250-ready\r\n250 AUTH PLAIN\r\n")
	line, _ := br.ReadString('\n')
	decoded, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(line, "AUTH PLAIN ")))
	f := strings.Split(string(decoded), "\x00")
	if len(f) != 3 || f[2] != localPassword {
		return
	}
	config := m.config.Clone()
	config.ServerName, _, _ = net.SplitHostPort(upstream)
	conn, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	c := &client{conn: conn, br: bufio.NewReader(conn)}
	defer conn.Close()
	if smtpLogin(c, f[1], config) != nil {
		return
	}
	io.WriteString(local, "235 logged in\r\n")
	splice(local, c.conn.(*tls.Conn))
}

func (m *minimalRelay) pop3(local net.Conn, upstream string) {
	br := bufio.NewReader(local)
	io.WriteString(local, "+OK ready\r\n")
	user, _ := br.ReadString('\n')
	io.WriteString(local, "+OK\r\n")
	if line, _ := br.ReadString('\n'); strings.TrimSpace(line) != "PASS "+localPassword {
		return
	}
	conn, err := tls.Dial("tcp", upstream, m.config)
	if err != nil {
		return
	}
	defer conn.Close()
	c := &client{conn: conn, br: bufio.NewReader(conn)}
	if pop3Login(c, strings.TrimSpace(strings.TrimPrefix(user, "USER ")), m.config) != nil {
		return
	}
	io.WriteString(local, "+OK logged in\r\n")
	splice(local, conn)
}
