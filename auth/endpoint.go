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
	if err != nil && x.status < 400 { // an error page that broke off is an error page
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
	case isHTML(x.header, body):
		return answer{}, x.problem("captive-portal", "", nil)
	case decodeErr != nil:
		return answer{}, x.problem("truncated", "", nil)
	}
	return a, nil
}

// refusal gives those who follow a protocol the error object back.
type refusal struct{ oauthError }

func (r *refusal) Error() string { return "the provider answered " + r.value() }

// oauthValue is the error value that the provider gave, "" when it gave none.
func (p *Problem) oauthValue() string {
	if r, ok := p.Err.(*refusal); ok {
		return r.value()
	}
	return ""
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

// answer is what the token endpoint (RFC 6749 section 5.1) and the device endpoint (RFC 8628 section 3.2) say.
type answer struct {
	oauthError
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    number `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token"`
	Scope        words  `json:"scope"`
	IDToken      string `json:"id_token"`

	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	VerificationURL string `json:"verification_url"` // Google's spelling
	Interval        number `json:"interval"`         // seconds
	Message         string `json:"message"`
}

// decode takes what it can: a member of another type than expected stays empty.
func (a *answer) decode(body []byte) error {
	err := json.Unmarshal(body, a)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return nil
	}
	return err
}

const (
	usualLife = time.Hour           // where the provider does not say
	mostLife  = 30 * 24 * time.Hour // no provider gives more; keeps sums within time.Duration
)

// life is how long the access token lives.
func (a *answer) life() time.Duration {
	switch s := int64(a.ExpiresIn); {
	case s <= 0:
		return usualLife
	case s > int64(mostLife/time.Second):
		return mostLife
	default:
		return time.Duration(s) * time.Second
	}
}

// checkToken finds what no mail server would take.
func (a *answer) checkToken(at about) *Problem {
	at.detail = "it has no access token"
	switch {
	case a.AccessToken == "":
	case strings.ContainsFunc(a.AccessToken, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		at.detail = "its access token has characters that no token has"
	case a.TokenType != "" && !strings.EqualFold(a.TokenType, "bearer"):
		at.detail = a.TokenType
		return newProblem("token-type", at)
	default:
		return nil
	}
	return newProblem("bad-response", at)
}

// number is a whole number that some providers write as a string (Microsoft's v1 endpoints and 21Vianet). What
// is no number is 0.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `" `)
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = number(i)
	} else if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < 1<<53 {
		*n = number(f)
	}
	return nil
}

// numbers is a list of AADSTS numbers.
type numbers []int

func (l *numbers) UnmarshalJSON(b []byte) error {
	var raw []number
	if json.Unmarshal(b, &raw) == nil {
		for _, n := range raw {
			if n > 0 && n < 1e9 {
				*l = append(*l, int(n))
			}
		}
	}
	return nil
}

// words is a list that is written as one string, or by some as an array.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	var many []string
	if json.Unmarshal(b, &one) == nil {
		*w = strings.Fields(one)
	} else if json.Unmarshal(b, &many) == nil {
		*w = many
	}
	return nil
}
