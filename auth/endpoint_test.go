package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/internal/store"
)

func poolOf(cert *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// What comes back that is no token answer: nothing of it may cost the refresh token.
func TestAnswers(t *testing.T) {
	html := map[string]string{"Content-Type": "text/html"}
	tests := []struct {
		name   string
		answer fakeAnswer
		class  Class
		code   string
	}{
		{"no network", fakeAnswer{err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}, Retry, "network"},
		{"reset", fakeAnswer{err: &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}}, Retry, "network"},
		{"dns", fakeAnswer{err: &net.DNSError{Err: "no such host"}}, Retry, "dns"},
		{"dns timeout", fakeAnswer{err: &net.DNSError{Err: "timeout", IsTimeout: true}}, Retry, "dns"},
		{"timeout", fakeAnswer{err: context.DeadlineExceeded}, Retry, "timeout"},
		{"foreign certificate", fakeAnswer{err: &tls.CertificateVerificationError{Err: errors.New("x509: unknown authority")}}, Retry, "tls"},
		{"no TLS", fakeAnswer{err: tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}}, Retry, "tls"},
		{"TLS alert", fakeAnswer{err: &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}}, Retry, "tls"},
		{"captive portal", fakeAnswer{body: "<html>log in</html>", header: html}, Retry, "captive-portal"},
		{"unmarked HTML", fakeAnswer{body: "\n <!DOCTYPE html>"}, Retry, "captive-portal"},
		{"redirect", fakeAnswer{status: 302, header: map[string]string{"Location": "http://portal.test/"}}, Retry, "redirect"},
		{"redirect that keeps the method", fakeAnswer{status: 307, header: map[string]string{"Location": "https://login.test/"}}, Retry, "redirect"},
		{"half an answer", fakeAnswer{body: `{"access_token":"abc`}, Retry, "truncated"},
		{"nothing", fakeAnswer{}, Retry, "truncated"},
		{"a list", fakeAnswer{body: `[]`}, Retry, "truncated"},
		{"no token", fakeAnswer{body: `{}`}, Retry, "bad-response"},
		{"token of another type", fakeAnswer{body: `{"access_token":{"a":1}}`}, Retry, "bad-response"},
		{"token with a line end", fakeAnswer{body: `{"access_token":"a\r\nb"}`}, Retry, "bad-response"},
		{"token with the separator of XOAUTH2", fakeAnswer{body: `{"access_token":"a\u0001b"}`}, Retry, "bad-response"},
		{"another kind of token", fakeAnswer{body: `{"access_token":"abc","token_type":"mac"}`}, Configuration, "token-type"},
		{"too long", fakeAnswer{body: `{"access_token":"` + strings.Repeat("a", maxAnswer) + `"}`}, Retry, "bad-response"},
		{"too many, in words", fakeAnswer{status: 429, body: "Too Many Requests"}, Retry, "http-429"},
		{"too many, in JSON", withStatus(429, oauthFailure("invalid_request")), Retry, "http-429"},
		{"busy tenant", withStatus(429, oauthFailure("temporarily_unavailable", 90055)), Retry, "AADSTS90055"},
		{"server error", fakeAnswer{status: 500, body: "<html>", header: html}, Retry, "http-500"},
		{"server error that looks like a lost sign-in", withStatus(503, oauthFailure("invalid_grant", 700082)), Retry, "http-503"},
		{"network login", fakeAnswer{status: 511}, Retry, "http-511"},
		{"bad request without a reason", fakeAnswer{status: 400, body: "<html>", header: html}, Retry, "http-400"},
		{"web filter", fakeAnswer{status: 403, body: "blocked"}, Retry, "http-403"},
		{"wrong address", fakeAnswer{status: 404, body: "<html>"}, Configuration, "http-404"},
		{"proxy password", fakeAnswer{status: 407}, Configuration, "http-407"},
		{"error in a 200", withStatus(200, oauthFailure("invalid_grant", 50173)), SignIn, "AADSTS50173"},
		{"error without a number", oauthFailure("invalid_grant"), SignIn, "invalid_grant"},
		{"number only in the text", fakeAnswer{status: 400, body: `{"error":"invalid_grant","error_description":"AADSTS70043: x"}`}, SignIn, "AADSTS70043"},
		{"numbers as strings", fakeAnswer{status: 400, body: `{"error":"invalid_grant","error_codes":["50076"]}`}, SignIn, "AADSTS50076"},
		{"unknown number", oauthFailure("invalid_grant", 123456), SignIn, "AADSTS123456"},
		{"known after unknown number", oauthFailure("invalid_grant", 123456, 50173), SignIn, "AADSTS50173"},
		{"unknown error", oauthFailure("out_of_cheese"), Retry, "out_of_cheese"},
		{"error that is no word", oauthFailure("first-refresh-secret/2"), Retry, "unreadable"},
		{"passing trouble with the number of a lost sign-in", oauthFailure("temporarily_unavailable", 700082), Retry, "AADSTS700082"},
		{"lost sign-in with the number of a passing trouble", oauthFailure("invalid_grant", 90033), Retry, "AADSTS90033"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, fixtureOptions{})
			f.signedIn(0)
			f.id.then(tt.answer)
			p := f.fails(tt.class, tt.code)
			if p.RetryAt.IsZero() {
				t.Error("no time for the next attempt")
			}
			if strings.Contains(p.Say+p.Cure, "{") {
				t.Errorf("unfilled: %s / %s", p.Say, p.Cure)
			}
			r := f.record()
			if r.Token == nil || r.Token.Refresh.Reveal() != "first-refresh-secret" {
				t.Errorf("record: %+v", r.Token)
			}
			if r.Problem == nil || r.Problem.Code != tt.code || r.Problem.Class != tt.class.String() {
				t.Errorf("recorded problem: %+v", r.Problem)
			}
			if n := f.id.count(""); n != 1 {
				t.Errorf("%d requests; want 1", n)
			}
		})
	}
}

// Some servers call everything HTML. The refresh token in such an answer must not be lost.
func TestAnswerThatIsCalledHTML(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	answer := f.id.reply(nil)
	answer.header = map[string]string{"Content-Type": "text/html; charset=UTF-8"}
	f.id.then(answer)
	f.get("access-001-secret")
}

func withStatus(status int, a fakeAnswer) fakeAnswer {
	a.status = status
	return a
}

func TestDetailIsForSupport(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	f.id.then(oauthFailure("invalid_grant", 50173))
	if p := f.fails(SignIn, "AADSTS50173"); p.Detail != "trace=trace-1 correlation=correlation-1" {
		t.Errorf("detail %q", p.Detail)
	}
}

// The same through sockets: a server that hangs, one that breaks off, and one that nobody trusts.
func TestRealTransport(t *testing.T) {
	release := make(chan struct{})
	tests := []struct {
		name   string
		handle http.HandlerFunc
		trust  bool
		code   string
	}{
		{"hang", func(w http.ResponseWriter, r *http.Request) { <-release }, true, "timeout"},
		{"break off", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"access_token":"abc","padding":"`)
		}, true, "truncated"},
		{"break off behind the whole answer", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"access_token":"abc"}`)
		}, true, ""},
		{"break off before anything", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, true, "network"},
		{"not trusted", func(w http.ResponseWriter, r *http.Request) {}, false, "tls"},
		{"good", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"access_token":"abc"}`) }, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(tt.handle)
			server.Config.ErrorLog = quiet()
			server.StartTLS()
			defer server.Close()
			if tt.code == "timeout" {
				defer close(release)
			}
			p := fakeProvider()
			p.TokenURL = server.URL
			if tt.trust {
				p.RootCAs = poolOf(server.Certificate())
			}
			m, err := New(Options{Store: store.NewMemory(), Providers: map[string]Provider{"fake": p}, Declared: []Account{annAccount()}, HTTPTimeout: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			f := &fixture{Manager: m, t: t, store: m.store}
			f.signedIn(0)
			if tt.code == "" {
				f.get("abc")
				return
			}
			f.fails(Retry, tt.code)
		})
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"token_type":"Bearer","scope":"a b","expires_in":3599,"ext_expires_in":3599,"access_token":"Ew","refresh_token":"M.C","id_token":"a.b.c"}`), 200)
	f.Add([]byte(`{"error":"invalid_grant","error_description":"AADSTS700082: x","error_codes":[700082],"suberror":"bad_token","claims":"{}"}`), 400)
	f.Add([]byte(`{"expires_in":"3599","scope":["a"],"error_codes":["1",2,null]}`), 200)
	f.Add([]byte(`{"user_code":"ABCD","device_code":"x","verification_uri":"https://x","interval":5,"expires_in":900}`), 200)
	f.Add([]byte(`<html>`), 503)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		x := exchange{status: status, header: http.Header{}, about: about{host: "login.test"}}
		a, p := x.judge(body)
		if p == nil {
			p = a.checkToken(x.about)
		}
		if p == nil {
			if a.AccessToken == "" || a.life() <= 0 || a.life() > mostLife || status >= 300 {
				t.Errorf("accepted %q with status %d", body, status)
			}
			return
		}
		p.schedule(nil, time.Now())
		if p.Say == "" || p.Cure == "" || p.Code == "" || p.Class.String() == "" || !p.RetryAt.After(time.Now()) {
			t.Errorf("problem %+v", p)
		}
		if p.Class != Retry && (status == 429 || status >= 500) {
			t.Errorf("status %d is %v", status, p.Class)
		}
	})
}
