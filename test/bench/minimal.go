package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
)

// minimalRelay is the smallest relay that one would write: read the LOGIN line, log in upstream, copy both
// ways. It has no other command, no limit, no probe, no time-out and no second chance.
type minimalRelay struct {
	upstream string
	config   *tls.Config
}

func serveMinimal(s setup) (service, error) {
	m := &minimalRelay{upstream: s.Upstream, config: &tls.Config{RootCAs: s.Certificate.pool()}}
	config, err := s.Certificate.server()
	if err != nil {
		return service{}, err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return service{}, err
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return service{}, err
	}
	lines, err := m.serveLines(s.Lines)
	if err != nil {
		return service{}, err
	}
	for _, ln := range []net.Listener{plain, secure} {
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go m.serve(conn)
			}
		}()
	}
	return service{address: plain.Addr().String(), tlsAddress: secure.Addr().String(), lines: lines}, nil
}

func (m *minimalRelay) serve(client net.Conn) {
	defer client.Close()
	io.WriteString(client, "* OK ready\r\n")
	line, err := bufio.NewReader(client).ReadString('\n')
	f := strings.Fields(line)
	if err != nil || len(f) != 4 || f[1] != "LOGIN" || f[3] != localPassword {
		return
	}
	upstream, err := m.login(f[2])
	if err != nil {
		fmt.Fprintf(client, "%s NO %v\r\n", f[0], err)
		return
	}
	defer upstream.Close()
	io.WriteString(client, f[0]+" OK logged in\r\n")
	splice(client, upstream)
}

// splice copies both ways until the server ends it.
func splice(client net.Conn, upstream *tls.Conn) {
	go func() {
		io.Copy(upstream, client)
		upstream.CloseWrite()
	}()
	io.Copy(client, upstream)
}

func (m *minimalRelay) login(user string) (*tls.Conn, error) {
	conn, err := tls.Dial("tcp", m.upstream, m.config)
	if err != nil {
		return nil, err
	}
	br := bufio.NewReader(conn)
	br.ReadString('\n')
	io.WriteString(conn, "x AUTHENTICATE XOAUTH2 "+proof(user)+"\r\n")
	if line, err := br.ReadString('\n'); !strings.HasPrefix(line, "x OK") {
		conn.Close()
		return nil, fmt.Errorf("upstream says %q, %v", line, err)
	}
	return conn, nil
}
