package auth

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestWhatDoesNotUseTheSignInUp(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	br := f.begin()
	state := br.asked.Get("state")
	base := br.asked.Get("redirect_uri")
	for name, address := range map[string]string{
		"nothing":        base,
		"wrong state":    br.answer(url.Values{"state": {strings.ToUpper(state)}}),
		"no state":       br.answer(url.Values{"state": nil}),
		"two states":     br.answer(url.Values{"state": {state, state}}),
		"two codes":      br.answer(url.Values{"code": {goodCode, "another-code"}}),
		"both":           br.answer(url.Values{"error": {"access_denied"}}),
		"error no state": base + "?error=access_denied",
		"odd code":       br.answer(url.Values{"code": {"a b\r\nc <script>"}}),
		"not a query":    base + "?code=%zz&state=" + state,
	} {
		t.Run(name, func(t *testing.T) {
			status, body := br.open(address)
			if status != http.StatusBadRequest || !strings.Contains(body, "The sign-in is still open") {
				t.Errorf("%d %s", status, body)
			}
			br.stillOpen()
		})
	}
	for path, status := range map[string]int{"favicon.ico": 404, "other?" + strings.Split(br.answer(nil), "?")[1]: 404} {
		if got, _ := br.open(base + path); got != status {
			t.Errorf("/%s: %d", path, got)
		}
	}
	br.stillOpen()
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodOptions} {
		req, _ := http.NewRequest(method, br.answer(nil), nil)
		res, err := br.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, res.StatusCode)
		}
	}
	br.stillOpen()
	br.wants(br.answer(nil), 200, "is signed in")
}

func TestForeignHostNames(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	br := f.begin()
	for _, host := range []string{"evil.example", fmt.Sprintf("evil.example:%d", br.b.port), "localhost", "localhost:1", fmt.Sprintf("localhost.evil.example:%d", br.b.port)} {
		req, _ := http.NewRequest(http.MethodGet, br.answer(nil), nil)
		req.Host = host
		res, err := br.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("host %s: %d", host, res.StatusCode)
		}
	}
	br.stillOpen()
}

func TestBothLoopbacks(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	br := f.begin()
	hosts := []string{"127.0.0.1"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		l.Close()
		hosts = append(hosts, "[::1]")
	}
	for _, host := range hosts {
		br.wants(fmt.Sprintf("http://%s:%d/", host, br.b.port), 400, "still open")
	}
}

// The machine may have one loopback address only, or somebody may have the port on the other.
func TestListenLoopback(t *testing.T) {
	tests := []struct {
		name string
		fail func(network string, try int) bool
		want int // listeners; 0 = an error
	}{
		{"both", func(string, int) bool { return false }, 2},
		{"no IPv6", func(n string, _ int) bool { return n == "tcp6" }, 1},
		{"no IPv4", func(n string, _ int) bool { return n == "tcp4" }, 1},
		{"neither", func(string, int) bool { return true }, 0},
		{"port taken on ::1", func(n string, try int) bool { return n == "tcp6" && try == 1 }, 2},
		{"every port taken on ::1", func(n string, try int) bool { return n == "tcp6" && try%2 == 1 }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tries := map[string]int{}
			var open []*fakeListener
			listeners, port, err := listenLoopback(func(network, address string) (net.Listener, error) {
				tries[network]++
				if tt.fail(network, tries[network]) {
					return nil, errors.New("no")
				}
				l := &fakeListener{address: address}
				open = append(open, l)
				return l, nil
			})
			if (err == nil) != (tt.want > 0) || len(listeners) != tt.want || tt.want > 0 && port == 0 {
				t.Fatalf("%d listeners, port %d, %v", len(listeners), port, err)
			}
			left := 0
			for _, l := range open {
				if !l.closed {
					left++
				}
			}
			if left != tt.want {
				t.Errorf("%d listeners left open; want %d", left, tt.want)
			}
		})
	}
}

type fakeListener struct {
	net.Listener
	address string
	closed  bool
}

func (l *fakeListener) Close() error   { l.closed = true; return nil }
func (l *fakeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv6loopback, Port: 4711} }
