package emulator

import (
	"net/http"
	"net/url"
	"time"
)

// Endpoint names a place where requests are counted and faults strike.
type Endpoint string

const (
	Authorize  Endpoint = "authorize"
	Token      Endpoint = "token" // every grant
	DeviceCode Endpoint = "devicecode"
	Metadata   Endpoint = "metadata"

	// The token endpoint by grant_type.
	TokenCode    Endpoint = "token/authorization_code"
	TokenRefresh Endpoint = "token/refresh_token"
	TokenDevice  Endpoint = "token/device_code"
	TokenApp     Endpoint = "token/client_credentials"
)

// Fault is one way for a request to go wrong. Fields combine; the zero value changes nothing.
type Fault struct {
	// AADSTS answers with this error, its usual `error` value and HTTP status. At Authorize it is a redirect or,
	// for the errors that Microsoft shows to the person only, a page.
	AADSTS   int
	Error    string // overrides the `error` value: "slow_down", "temporarily_unavailable" …
	Suberror string // basic_action, consent_required …
	Claims   string // JSON for the next authorize request

	// Status answers with this HTTP status and Body instead of an error object. Without a Body, 429 is the plain
	// text "Too Many Requests" and anything else a page in HTML.
	Status      int
	RetryAfter  string // header as it stands: seconds or a date; "" = none
	Body        string
	ContentType string // "" = text/plain for 429, else text/html

	Hang       bool // no answer until the client goes away
	Reset      bool // TCP reset before the request is processed
	ResetAfter bool // the same after it: tokens are rotated, the client never hears
	Truncate   bool // processed, and the JSON ends in its middle
	NoRefresh  bool // processed, without a refresh_token in the answer

	Delay time.Duration // before anything else
}

// AADSTS is the fault of one Microsoft error number.
func AADSTS(code int) Fault { return Fault{AADSTS: code} }

// Status is the fault of a bare HTTP status.
func Status(code int) Fault { return Fault{Status: code} }

// TooMany is HTTP 429; retryAfter "" leaves the header out.
func TooMany(retryAfter string) Fault {
	return Fault{Status: http.StatusTooManyRequests, RetryAfter: retryAfter}
}

// Fail makes the next n requests at an endpoint meet f; n < 0 = every one until ClearFaults. Faults of one
// endpoint strike in the order of the calls.
func (id *Identity) Fail(at Endpoint, n int, f Fault) {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.faults.add(at, n, f)
}

// ClearFaults forgets every fault that has not struck yet.
func (id *Identity) ClearFaults() {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.faults.clear()
}

// Count is how many requests an endpoint has had, those that failed or were made to fail included.
func (id *Identity) Count(at Endpoint) int {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.counts[at]
}

// Last is a copy of the parameters of an endpoint's last request, nil when there was none.
func (id *Identity) Last(at Endpoint) url.Values {
	id.mu.Lock()
	defer id.mu.Unlock()
	return cloneValues(id.last[at])
}

// observe counts and keeps a request, and takes the fault that waits for it.
func (id *Identity) observe(at Endpoint, form url.Values) Fault {
	grant := grantEndpoint(at, form.Get("grant_type"))
	id.mu.Lock()
	defer id.mu.Unlock()
	id.counts[at]++
	id.last[at] = cloneValues(form)
	if grant != "" {
		id.counts[grant]++
		id.last[grant] = id.last[at]
	}
	fault, _ := id.faults.take(func(where Endpoint, _ Fault) bool { return where == at || where == grant })
	return fault
}

func grantEndpoint(at Endpoint, grant string) Endpoint {
	if at != Token {
		return ""
	}
	switch grant {
	case "authorization_code":
		return TokenCode
	case "refresh_token":
		return TokenRefresh
	case grantDevice:
		return TokenDevice
	case "client_credentials":
		return TokenApp
	}
	return ""
}

func cloneValues(v url.Values) url.Values {
	if v == nil {
		return nil
	}
	return url.Values(http.Header(v).Clone())
}
