package auth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	usualTimeout  = 30 * time.Second
	maxAnswer     = 1 << 20
	mostRetryWait = time.Hour // of a Retry-After
)

// endpoint makes the requests to providers: one POST of a form, one JSON answer. golang.org/x/oauth2 is not
// used for them: it hides status and Retry-After, gives up on a device code at the first network error,
// fills a missing refresh token with the old one, and puts whole answers into its errors.
type endpoint struct {
	timeout   time.Duration
	transport http.RoundTripper // nil but in tests

	mu      sync.Mutex
	clients map[*x509.CertPool]*http.Client
}

func newEndpoint(timeout time.Duration) *endpoint {
	return &endpoint{timeout: cmp.Or(timeout, usualTimeout), clients: map[*x509.CertPool]*http.Client{}}
}

func (e *endpoint) client(roots *x509.CertPool) *http.Client {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.clients[roots]
	if c == nil {
		c = &http.Client{
			Transport:     e.transport,
			Timeout:       e.timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		if e.transport == nil {
			c.Transport = &http.Transport{
				Proxy:           http.ProxyFromEnvironment,
				DialContext:     (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
				TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				// Requests are hours apart. A connection that the far side has closed meanwhile would fail
				// the next one, and a POST is not repeated.
				DisableKeepAlives: true,
			}
		}
		e.clients[roots] = c
	}
	return c
}

func (e *endpoint) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.clients {
		c.CloseIdleConnections()
	}
}

// post sends form and returns the answer, or what is wrong. An answer without error value is not checked
// further: that is for whoever knows what was asked.
func (e *endpoint) post(ctx context.Context, a Account, target string, form url.Values) (answer, *Problem) {
	x, body, p := e.send(ctx, a, target, form)
	if p != nil {
		return answer{}, p
	}
	return x.judge(body)
}

// tell sends form where the answer to success is of no interest.
func (e *endpoint) tell(ctx context.Context, a Account, target string, form url.Values) *Problem {
	x, body, p := e.send(ctx, a, target, form)
	if p != nil || x.status < 300 {
		return p
	}
	_, p = x.judge(body)
	return p
}

func (e *endpoint) send(ctx context.Context, a Account, target string, form url.Values) (exchange, []byte, *Problem) {
	target = a.at(target)
	x := exchange{about: about{account: a, host: hostOf(target)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return x, nil, x.problem("provider-url", "provider "+a.Provider.Name+": "+target+" is no URL", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Postern")
	res, err := e.client(a.Provider.RootCAs).Do(req)
	if err != nil {
		return x, nil, x.unreachable(err)
	}
	defer res.Body.Close()
	x.status, x.header = res.StatusCode, res.Header
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	// An error page that broke off is an error page. An answer of which nothing is missing may carry the next refresh
	// token; how the connection ended does not matter then.
	if err != nil && x.status < 400 && !json.Valid(body) {
		return x, nil, x.problem("truncated", "", err)
	}
	return x, body, nil
}

func hostOf(target string) string {
	if u, err := url.Parse(target); err == nil {
		return u.Host
	}
	return target
}

// exchange is one request and what came back.
type exchange struct {
	about  about
	status int
	header http.Header
}

func (x exchange) problem(key, detail string, err error) *Problem {
	x.about.detail = detail
	p := newProblem(key, x.about)
	p.Err = err
	return p
}

// unreachable sorts an error of the transport.
func (x exchange) unreachable(err error) *Problem {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // its other parts say POST and the address
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return x.problem("dns", "", err)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return x.problem("timeout", "", err)
	}
	e, isOp := errors.AsType[*net.OpError](err)
	if isTLS(err) || isOp && (e.Op == "remote error" || e.Op == "local error") { // a TLS alert, theirs or ours
		return x.problem("tls", err.Error(), err)
	}
	if isOp {
		return x.problem("network", e.Err.Error(), err)
	}
	return x.problem("network", err.Error(), err)
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

// judge sorts an HTTP answer. A status of 429 or 5xx is a trouble of the server whatever the body says: to
// take it for a lost sign-in would be the worse mistake.
func (x exchange) judge(body []byte) (answer, *Problem) {
	var a answer
	decodeErr := a.decode(body)
	switch {
	case x.status == http.StatusTooManyRequests, x.status >= 500:
		return answer{}, x.busy(a.oauthError)
	case len(body) > maxAnswer:
		return answer{}, x.problem("bad-response", "it is too long", nil)
	case decodeErr == nil && a.Error != "":
		p := a.problem(x.about)
		p.retryAfter = x.retryAfter()
		p.Err = &refusal{a.oauthError}
		return answer{}, p
	case x.status >= 300 && x.status < 400:
		return answer{}, x.problem("redirect", "", nil)
	case x.status >= 400:
		return answer{}, x.refused()
	case decodeErr == nil: // whatever the header calls it
	case isHTML(x.header, body):
		return answer{}, x.problem("captive-portal", "", nil)
	default:
		return answer{}, x.problem("truncated", "", nil)
	}
	return a, nil
}

func (x exchange) busy(e oauthError) *Problem {
	key := "http-5xx"
	if x.status == http.StatusTooManyRequests {
		key = "http-429"
	}
	p := x.problem(key, "", nil)
	p.Code = "http-" + strconv.Itoa(x.status)
	if e.Error != "" {
		if better := e.problem(x.about); better.Class == Retry {
			better.Code, p = cmp.Or(better.Code, p.Code), better
		}
	}
	p.Detail, p.retryAfter = e.detail(), x.retryAfter()
	return p
}

func (x exchange) refused() *Problem {
	key := "http-4xx"
	switch x.status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		key = "http-404"
	case http.StatusProxyAuthRequired:
		key = "http-407"
	}
	p := x.problem(key, "", nil)
	p.Code, p.retryAfter = "http-"+strconv.Itoa(x.status), x.retryAfter()
	return p
}

// retryAfter reads RFC 9110 section 10.2.3: seconds or a date; 0 when there is none.
func (x exchange) retryAfter() time.Duration {
	v := strings.TrimSpace(x.header.Get("Retry-After"))
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		if n > int64(mostRetryWait/time.Second) {
			return mostRetryWait
		}
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(0, time.Until(at)), mostRetryWait)
	}
	return 0
}

func isHTML(h http.Header, body []byte) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}
