package emulator

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// refusal is an OAuth error that has not been written yet.
type refusal struct {
	code     int
	value    string // the `error` member
	text     string
	page     bool
	suberror string
	claims   string
}

// refuse is the usual refusal of an AADSTS number. detail, if given, replaces the usual text.
func refuse(code int, detail ...string) *refusal {
	row := findAADSTS(code)
	r := &refusal{code: code, value: row.value, text: row.text, page: row.page}
	for _, d := range detail {
		r.text = d
	}
	return r
}

// with overrides the `error` value, which differs by situation for some numbers.
func (r *refusal) with(value string) *refusal {
	r.value = value
	return r
}

// refusal of a fault, nil when it has none.
func (f Fault) refusal() *refusal {
	if f.AADSTS == 0 && f.Error == "" {
		return nil
	}
	r := refuse(f.AADSTS)
	if f.AADSTS == 0 {
		r.text = "The request was refused."
	}
	if f.Error != "" {
		r.value = f.Error
	}
	r.suberror, r.claims = f.Suberror, f.Claims
	return r
}

// errorObject is the body of every refused token or device request, as seen at Microsoft (2025-2026).
type errorObject struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri,omitempty"`
	Suberror      string `json:"suberror,omitempty"`
	Claims        string `json:"claims,omitempty"`
}

func (id *Identity) errorAnswer(r *refusal) answer {
	status := http.StatusBadRequest
	switch {
	case r.value == "invalid_client":
		status = http.StatusUnauthorized
	case r.code == 90055:
		status = http.StatusTooManyRequests
	}
	o := errorObject{
		Error:         r.value,
		Timestamp:     time.Now().UTC().Format("2006-01-02 15:04:05Z"),
		TraceID:       newGUID(),
		CorrelationID: newGUID(),
		Suberror:      r.suberror,
		Claims:        r.claims,
	}
	o.Description = r.describe(o.TraceID, o.CorrelationID, o.Timestamp)
	if r.code != 0 {
		o.Codes = []int{r.code}
		o.URI = fmt.Sprintf("%s/error?code=%d", id.base, r.code)
	}
	return jsonAnswer(status, o)
}

func (r *refusal) describe(trace, correlation, timestamp string) string {
	head := r.text
	if r.code != 0 {
		head = fmt.Sprintf("AADSTS%d: %s", r.code, r.text)
	}
	return head + "\r\nTrace ID: " + trace + "\r\nCorrelation ID: " + correlation + "\r\nTimestamp: " + timestamp
}

// redirectError carries a refusal back to the client, RFC 6749 section 4.1.2.1.
func (id *Identity) redirectError(s *signIn, r *refusal) answer {
	at := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	v := url.Values{
		"error":             {r.value},
		"error_description": {r.describe(newGUID(), newGUID(), at)},
	}
	if r.suberror != "" {
		v.Set("error_subcode", r.suberror)
	}
	if r.claims != "" {
		v.Set("claims", r.claims)
	}
	return s.redirect(v)
}

// errorPage is what the person sees when nothing goes back to the client.
func errorPage(r *refusal) answer {
	at := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	return htmlPage(http.StatusBadRequest, errorPageName, struct{ Text string }{
		r.describe(newGUID(), newGUID(), at),
	})
}

func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
