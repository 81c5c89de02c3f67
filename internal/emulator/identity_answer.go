package emulator

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	contentJSON = "application/json; charset=utf-8"
	contentHTML = "text/html; charset=utf-8"
)

// answer is what an endpoint wants to say, before a fault spoils it.
type answer struct {
	status      int // 0 = 200
	contentType string
	location    string // a redirect when not empty
	body        []byte
}

func jsonAnswer(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // only our own structs come here
	}
	return answer{status: status, contentType: contentJSON, body: body}
}

// endpoint serves one counted endpoint: it takes the fault that waits there, lets process answer, and spoils that.
func (id *Identity) endpoint(at Endpoint, process func(*http.Request, Fault) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !id.enter() {
			panic(http.ErrAbortHandler)
		}
		defer id.running.Done()
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			write(w, id.errorAnswer(refuse(9002313)))
			return
		}
		fault := id.observe(at, r.Form)
		id.log.Debug("identity request", "endpoint", string(at), "tenant", r.PathValue("tenant"),
			"grant", r.Form.Get("grant_type"))
		if fault.Delay > 0 && !id.pause(r.Context(), fault.Delay) {
			panic(http.ErrAbortHandler)
		}
		switch {
		case fault.Hang:
			id.pause(r.Context(), 0)
			panic(http.ErrAbortHandler)
		case fault.Reset:
			reset(w)
			return
		case fault.Status != 0:
			writeStatus(w, fault)
			return
		}
		a := process(r, fault)
		if fault.ResetAfter {
			reset(w)
			return
		}
		if fault.Truncate {
			a.body = a.body[:len(a.body)/2]
		}
		if fault.RetryAfter != "" {
			w.Header().Set("Retry-After", fault.RetryAfter)
		}
		write(w, a)
	})
}

// page serves what a person's browser asks for between the endpoints.
func (id *Identity) page(process func(*http.Request) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !id.enter() {
			panic(http.ErrAbortHandler)
		}
		defer id.running.Done()
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			write(w, htmlPage(http.StatusBadRequest, messagePage, "The form could not be read."))
			return
		}
		write(w, process(r))
	})
}

func write(w http.ResponseWriter, a answer) {
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("X-Ms-Request-Id", newGUID())
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	if a.location != "" {
		h.Set("Location", a.location)
		a.status = http.StatusFound
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(max(a.status, http.StatusOK))
	w.Write(a.body)
}

func writeStatus(w http.ResponseWriter, f Fault) {
	a := answer{status: f.Status, contentType: f.ContentType, body: []byte(f.Body)}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Body == "" && f.Status == http.StatusTooManyRequests {
		a.body = []byte("Too Many Requests")
		a.contentType = cmp.Or(a.contentType, "text/plain")
	}
	if f.Body == "" && f.Status != http.StatusTooManyRequests {
		a.body = htmlPage(f.Status, messagePage, http.StatusText(f.Status)).body
	}
	a.contentType = cmp.Or(a.contentType, contentHTML)
	write(w, a)
}

// pause waits for d (0 = without end); false when the client left or the server closes first.
func (id *Identity) pause(ctx context.Context, d time.Duration) bool {
	var wake <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		wake = timer.C
	}
	select {
	case <-wake:
		return true
	case <-ctx.Done():
	case <-id.closing:
	}
	return false
}

// reset ends the connection with a TCP RST: what a client sees when the far side, or a box between, drops it.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if over, ok := conn.(*tls.Conn); ok {
		resetConn(over.NetConn())
	}
	conn.Close()
}

func resetConn(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

func htmlPage(status int, name string, data any) answer {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		panic(err) // only our own templates and data come here
	}
	return answer{status: status, contentType: contentHTML, body: b.Bytes()}
}
