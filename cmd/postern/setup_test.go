package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/auth"
)

const browserVariable = "TEST_BROWSER"

// cmdBrowser lets what opens as the system's browser ask the stand-in, which lives in the test's process.
func cmdBrowser(ts *testscript.TestScript, neg bool, args []string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := visit(worldOf(ts).outlook, r.FormValue("url"), args[0]); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}))
	ts.Defer(srv.Close)
	ts.Setenv(browserVariable, srv.URL)
}

// playBrowser is xdg-open in the scripts. Without cmdBrowser there is no browser.
func playBrowser() {
	at := os.Getenv(browserVariable)
	if at == "" {
		fmt.Fprintln(os.Stderr, "xdg-open: no method available for opening", os.Args[1])
		os.Exit(3)
	}
	res, err := http.PostForm(at, url.Values{"url": {os.Args[1]}})
	if err != nil || res.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, "browser:", err, res)
		os.Exit(1)
	}
}

func TestFindProvider(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		email, mx string
		err       error
		want      string
		found     bool
		asked     bool
	}{
		{email: "ann@outlook.com", want: "outlook", found: true},
		{email: "ann@hotmail.co.uk", want: "outlook", found: true},
		{email: "ann@gmail.com", want: "gmail", found: true},
		{email: "ann@firm.onmicrosoft.com", want: "microsoft365", found: true},
		{email: "ann@firm.de", mx: "firm-de.mail.protection.outlook.com.", want: "microsoft365", found: true, asked: true},
		{email: "ann@firm.de", mx: "firm-de.g-v1.mx.microsoft.", want: "microsoft365", found: true, asked: true},
		{email: "ann@firm.de", mx: "ASPMX.L.GOOGLE.COM.", want: "gmail", found: true, asked: true},
		{email: "ann@family.de", mx: "family-de.olc.protection.outlook.com.", want: "outlook", found: true, asked: true},
		{email: "ann@firm.de", mx: "mx.evilgoogle.com.", want: "microsoft365", asked: true},
		{email: "ann@firm.de", mx: "mx.firm.de.", want: "microsoft365", asked: true},
		{email: "ann@firm.de", err: errors.New("no network"), want: "microsoft365", asked: true},
		{email: "ann@example.com", want: "microsoft365"},
		{email: "ann@mail.test", want: "microsoft365"},
	} {
		asked := false
		got := findProvider(t.Context(), tt.email, func(ctx context.Context, _ string) ([]*net.MX, error) {
			if _, limited := ctx.Deadline(); !limited {
				t.Error("the look-up has no time limit")
			}
			asked = true
			return []*net.MX{{Host: tt.mx}}, tt.err
		})
		if got.name != tt.want || (got.why != "") != tt.found || asked != tt.asked {
			t.Errorf("findProvider(%s, mx %s) = %+v, asked %t; want %s, found %t, asked %t", tt.email, tt.mx, got, asked, tt.want, tt.found, tt.asked)
		}
	}
}

func TestAdminConsentURL(t *testing.T) {
	t.Parallel()
	p := auth.BuiltIn()["microsoft365"]
	got := adminConsentURL(p, "", "11111111-2222-3333-4444-555555555555")
	want := "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=11111111-2222-3333-4444-555555555555" +
		"&redirect_uri=http%3A%2F%2Flocalhost&scope=https%3A%2F%2Foutlook.office.com%2FIMAP.AccessAsUser.All"
	if !strings.HasPrefix(got, want) || strings.Contains(got, "offline_access") {
		t.Errorf("adminConsentURL = %s, want %s…", got, want)
	}
	if letter := letterToAdmin(p, "ann@firm.de", "contoso.com", "id"); !strings.Contains(letter, "/contoso.com/v2.0/adminconsent?client_id=id&") {
		t.Errorf("the letter has no address for the tenant:\n%s", letter)
	}
}

func TestCheckClientID(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		provider, id string
		ok           bool
	}{
		{"outlook", "11111111-2222-3333-4444-555555555555", true},
		{"outlook", "11111111222233334444555555555555", false},
		{"microsoft365-gcc-high", "a secret value~", false},
		{"gmail", "123-abc.apps.googleusercontent.com", true},
		{"gmail", "", false},
		{"gmail", "a b", false},
	} {
		if err := checkClientID(tt.provider, tt.id); (err == nil) != tt.ok {
			t.Errorf("checkClientID(%s, %q) = %v", tt.provider, tt.id, err)
		}
	}
}
