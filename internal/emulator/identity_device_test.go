package emulator

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

func askDevice(t testing.TB, e *Emulator, tenant string) reply {
	t.Helper()
	r := post(t, e, e.Identity.DeviceURL(tenant), url.Values{"client_id": {SampleClientID}, "scope": {wanted}})
	if r.status != 200 {
		t.Fatal(r.raw)
	}
	return r
}

func poll(t testing.TB, e *Emulator, device string) reply {
	t.Helper()
	return post(t, e, e.Identity.TokenURL("common"),
		url.Values{"grant_type": {grantDevice}, "client_id": {SampleClientID}, "device_code": {device}})
}

func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	d := askDevice(t, e, "common")
	if d.Interval != 5 || d.ExpiresIn != 900.0 || d.Complete != "" || !regexp.MustCompile(`^[A-Z0-9]{9}$`).MatchString(d.User) ||
		!strings.Contains(d.Message, d.User) || !strings.Contains(d.Message, d.Page) {
		t.Errorf("%s", d.raw)
	}
	if r := poll(t, e, d.Device); r.status != 400 || r.Error != "authorization_pending" || r.code() != 70016 {
		t.Error(r.raw)
	}
	if err := e.Identity.EnterCode("WRONGCODE", "ann@example.com"); err == nil {
		t.Error("a wrong code was taken")
	}
	if err := e.Identity.EnterCode(strings.ToLower(d.User[:4])+"-"+d.User[4:], "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	r := poll(t, e, d.Device)
	if r.status != 200 || r.Refresh == "" || claimsOf(t, r.IDToken)["email"] != "ann@example.com" {
		t.Fatal(r.raw)
	}
	if r := poll(t, e, d.Device); r.Error != "bad_verification_code" {
		t.Error("used twice:", r.raw)
	}
	if polls := e.Identity.Polls(d.Device); len(polls) != 2 || polls[1].Before(polls[0]) {
		t.Errorf("polls %v", polls)
	}
}

func TestDeviceRefusals(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	d := askDevice(t, e, "common")
	if err := e.Identity.DeclineCode(d.User); err != nil {
		t.Fatal(err)
	}
	if r := poll(t, e, d.Device); r.Error != "authorization_declined" {
		t.Error(r.raw)
	}
	e.Identity.Configure(func(p *Policy) { p.AccessDenied = true })
	if r := poll(t, e, d.Device); r.Error != "access_denied" {
		t.Error(r.raw)
	}
	if r := poll(t, e, "made up"); r.Error != "bad_verification_code" || r.code() != 70018 {
		t.Error(r.raw)
	}
	if r := poll(t, e, askDevice(t, e, "organizations").Device); r.code() != 700005 {
		t.Error("another tenant:", r.raw)
	}
	e.Identity.Configure(func(p *Policy) { p.SlowDown, p.DeviceInterval = true, time.Hour })
	d = askDevice(t, e, "common")
	if r := poll(t, e, d.Device); r.Error != "authorization_pending" {
		t.Error(r.raw)
	}
	if r := poll(t, e, d.Device); r.Error != "slow_down" {
		t.Error(r.raw)
	}
	e.Identity.Configure(func(p *Policy) { *p = Policy{DevicePending: 2, AutoApprove: true} })
	d = askDevice(t, e, "common")
	for _, want := range []string{"authorization_pending", "authorization_pending", ""} {
		if r := poll(t, e, d.Device); r.Error != want {
			t.Errorf("want %q: %s", want, r.raw)
		}
	}
	e.Identity.Configure(func(p *Policy) { p.DeviceLife = time.Nanosecond })
	d = askDevice(t, e, "common")
	if r := poll(t, e, d.Device); r.Error != "expired_token" {
		t.Error(r.raw)
	}
	if err := e.Identity.EnterCode(d.User, "ann@example.com"); err == nil {
		t.Error("an expired code was taken")
	}
	for name, v := range map[string]url.Values{
		"unauthorized_client": {"client_id": {"x"}, "scope": {wanted}},
		"invalid_request":     {"client_id": {SampleClientID}},
	} {
		if r := post(t, e, e.Identity.DeviceURL("common"), v); r.Error != name {
			t.Errorf("want %s: %s", name, r.raw)
		}
	}
}

// TestDevicePages goes the person's way: code, password, consent.
func TestDevicePages(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	client := httpClient(t, e)
	submit := func(to string, v url.Values) string {
		t.Helper()
		resp, err := client.PostForm(to, v)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	for _, button := range []string{"accept", "cancel"} {
		d := askDevice(t, e, "common")
		resp, err := client.Get(d.Page)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
		if page := submit(d.Page, url.Values{"otc": {"NONSENSE1"}}); !strings.Contains(page, "did not work") {
			t.Error(page)
		}
		page := submit(d.Page, url.Values{"otc": {d.User}})
		flow := formFlow.FindStringSubmatch(page)
		if flow == nil {
			t.Fatal(page)
		}
		page = submit(e.Identity.URL()+"/common/login", url.Values{"flow": {flow[1]}, "login": {"bob@work.example"}, "passwd": {"bob's password"}})
		if !strings.Contains(page, "on another device") || !strings.Contains(page, ScopeIMAP) {
			t.Error("the consent page does not say what it is for:", page)
		}
		submit(e.Identity.URL()+"/common/consent", url.Values{"flow": {flow[1]}, button: {"1"}})
		r := poll(t, e, d.Device)
		if button == "accept" && claimsOf(t, r.IDToken)["email"] != "bob@work.example" || button == "cancel" && r.Error != "authorization_declined" {
			t.Errorf("%s: %s", button, r.raw)
		}
	}
}
