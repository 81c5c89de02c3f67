package main

import (
	"net"
	"time"
)

// oneWay is how long the slow link takes in each direction; roundTrip is what is counted.
const (
	oneWay    = 20 * time.Millisecond
	roundTrip = 2 * oneWay
)

// serveDelay is a link to the upstream that is long, but not narrow.
func serveDelay(s setup) (service, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return service{}, err
	}
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			go carry(near, s.Upstream)
		}
	}()
	return service{tlsAddress: ln.Addr().String()}, nil
}

// carry joins a connection to the far end. The kernel has completed it at once; over a real link the
// client could not have sent anything before a round trip was over.
func carry(near net.Conn, address string) {
	defer near.Close()
	established := time.Now().Add(roundTrip)
	far, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer far.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		carryLate(near, far, time.Time{})
	}()
	carryLate(far, near, established)
	<-done
}

// carryLate delivers what src sends after the link's time, as if nothing was sent before earliest.
func carryLate(dst, src net.Conn, earliest time.Time) {
	type piece struct {
		due  time.Time
		data []byte
	}
	link := make(chan piece, 1000)
	go func() {
		defer close(link)
		for {
			data := make([]byte, 32<<10)
			n, err := src.Read(data)
			sent := time.Now()
			if sent.Before(earliest) {
				sent = earliest
			}
			link <- piece{sent.Add(oneWay), data[:n]}
			if err != nil {
				return
			}
		}
	}()
	for p := range link {
		time.Sleep(time.Until(p.due))
		dst.Write(p.data)
	}
	dst.(*net.TCPConn).CloseWrite()
}
