package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

func postRaw(t testing.TB, e *Emulator, v url.Values) (*http.Response, string, error) {
	t.Helper()
	resp, err := httpClient(t, e).PostForm(e.Identity.TokenURL("common"), v)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestStatusFaults(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	e.Identity.Fail(Token, 1, TooMany("60"))
	e.Identity.Fail(Token, 1, TooMany(""))
	e.Identity.Fail(TokenRefresh, 2, Status(503))
	e.Identity.Fail(TokenCode, 1, Status(500)) // not for these requests
	e.Identity.Fail(Token, 1, Fault{Status: 302, Body: "captive", ContentType: "text/x"})
	for i, want := range []struct {
		status      int
		retry, kind string
		body        string
	}{
		{429, "60", "text/plain", "Too Many Requests"},
		{429, "", "text/plain", "Too Many Requests"},
		{503, "", contentHTML, "Service Unavailable"},
		{503, "", contentHTML, "Service Unavailable"},
		{302, "", "text/x", "captive"},
	} {
		resp, body, err := postRaw(t, e, refreshForm("x", nil))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want.status || resp.Header.Get("Retry-After") != want.retry ||
			resp.Header.Get("Content-Type") != want.kind || !strings.Contains(body, want.body) {
			t.Errorf("%d: %s %v %q", i, resp.Status, resp.Header, body)
		}
	}
	if r := refresh(t, e, issueToken(t, e, Grant{}).Refresh, nil); r.status != 200 {
		t.Error("the faults are spent:", r.raw)
	}
}

func TestFaultsForEverAndCleared(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	token := issueToken(t, e, Grant{}).Refresh
	e.Identity.Fail(Token, -1, AADSTS(90033))
	for range 5 {
		if r := refresh(t, e, token, nil); r.Error != "temporarily_unavailable" {
			t.Error(r.raw)
		}
	}
	e.Identity.ClearFaults()
	if r := refresh(t, e, token, nil); r.status != 200 {
		t.Error(r.raw)
	}
	e.Identity.Fail(DeviceCode, 1, AADSTS(53003))
	if r := post(t, e, e.Identity.DeviceURL("common"), nil); r.code() != 53003 {
		t.Error(r.raw)
	}
	e.Identity.Fail(TokenDevice, 1, Fault{Error: "slow_down"})
	if r := poll(t, e, "x"); r.Error != "slow_down" || r.code() != 0 {
		t.Error(r.raw)
	}
}

// TestProcessedFaults: the server did its part, the answer did not arrive. With detection the old token is used up.
func TestProcessedFaults(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]Fault{"reset after": {ResetAfter: true}, "truncated": {Truncate: true}} {
		e := start(t, Options{Policy: Policy{ReuseDetection: true}})
		token := issueToken(t, e, Grant{}).Refresh
		e.Identity.Fail(Token, 1, f)
		resp, body, err := postRaw(t, e, refreshForm(token, nil))
		if f.ResetAfter && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		if f.Truncate && (err != nil || resp.StatusCode != 200 || json.Valid([]byte(body)) || !strings.HasPrefix(body, `{"token_type"`)) {
			t.Errorf("%s: %v %q", name, err, body)
		}
		if r := refresh(t, e, token, nil); r.code() != 70000 {
			t.Errorf("%s: the token was not rotated: %s", name, r.raw)
		}
	}
}

func TestUnprocessedFaults(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Policy: Policy{ReuseDetection: true}})
	token := issueToken(t, e, Grant{}).Refresh
	e.Identity.Fail(Token, 1, Fault{Reset: true})
	if _, _, err := postRaw(t, e, refreshForm(token, nil)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("reset: %v", err)
	}
	e.Identity.Fail(Token, 1, Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Identity.TokenURL("common"), strings.NewReader(refreshForm(token, nil).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ended := make(chan error, 1)
	client := httpClient(t, e)
	go func() {
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	eventually(t, "the request hangs", func() bool { return e.Identity.Count(TokenRefresh) == 2 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("hang: %v", err)
	}
	e.Identity.Fail(Token, 1, Fault{NoRefresh: true, Delay: 10 * time.Millisecond})
	if r := refresh(t, e, token, nil); r.status != 200 || r.Refresh != "" {
		t.Errorf("no refresh token: %s", r.raw)
	}
	if r := refresh(t, e, token, nil); r.status != 200 || r.Refresh == "" {
		t.Errorf("the token is still good: %s", r.raw)
	}
}

func TestRequestForms(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	resp, err := httpClient(t, e).Get(e.Identity.TokenURL("common") + "?grant_type=refresh_token")
	if err != nil {
		t.Fatal(err)
	}
	if r := decode(t, resp); r.code() != 900561 {
		t.Error("GET:", r.raw)
	}
	resp, err = httpClient(t, e).Post(e.Identity.TokenURL("common"), "application/x-www-form-urlencoded", strings.NewReader("a=%zz"))
	if err != nil {
		t.Fatal(err)
	}
	if r := decode(t, resp); r.code() != 9002313 {
		t.Error("malformed:", r.raw)
	}
	resp, err = httpClient(t, e).Post(e.Identity.TokenURL("common"), "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if r := decode(t, resp); r.code() != 900144 {
		t.Error("JSON:", r.raw)
	}
	resp, err = httpClient(t, e).PostForm(e.Identity.URL()+"/common/oauth2/v2.0/revoke", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Error("revocation:", resp.Status)
	}
}
