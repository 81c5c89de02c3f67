package auth

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaste(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	tests := []struct {
		name string
		text func(br *browser) string
		ok   bool
	}{
		{"address", func(br *browser) string { return br.answer(nil) }, true},
		{"address in quotes", func(br *browser) string { return " \"" + br.answer(nil) + "\"\r\n" }, true},
		{"address in brackets", func(br *browser) string { return "<" + br.answer(nil) + ">" }, true},
		{"address of another port", func(br *browser) string {
			return "https://login.microsoftonline.com/common/oauth2/nativeclient?" + strings.SplitN(br.answer(nil), "?", 2)[1]
		}, true},
		{"address without its beginning", func(br *browser) string { return "localhost/?" + strings.SplitN(br.answer(nil), "?", 2)[1] }, true},
		{"query", func(br *browser) string { return strings.SplitN(br.answer(nil), "?", 2)[1] }, true},
		{"fragment", func(br *browser) string { return "http://localhost/#" + strings.SplitN(br.answer(nil), "?", 2)[1] }, true},
		{"address without state", func(br *browser) string { return "http://localhost/?code=" + goodCode + "&session_state=abc" }, true},
		{"code", func(br *browser) string { return goodCode }, true},
		{"code, encoded", func(br *browser) string { return url.QueryEscape(goodCode) }, true},
		{"code with session_state", func(br *browser) string { return goodCode + "&session_state=7f0d-4a" }, true},
		{"code with state", func(br *browser) string { return goodCode + "&state=" + br.asked.Get("state") + "&session_state=x" }, true},
		{"code with another state", func(br *browser) string { return goodCode + "&state=other" }, false},
		{"address with another state", func(br *browser) string { return br.answer(url.Values{"state": {"other"}}) }, false},
		{"address with two codes", func(br *browser) string { return br.answer(nil) + "&code=second-code" }, false},
		{"address of the sign-in page", func(br *browser) string { return br.b.URL() }, false},
		{"nothing", func(br *browser) string { return "" }, false},
		{"a word", func(br *browser) string { return "yes" }, false},
		{"a sentence", func(br *browser) string { return "it does not work" }, false},
		{"error without state", func(br *browser) string { return "http://localhost/?error=access_denied" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			br := f.begin()
			err := br.b.Paste(t.Context(), tt.text(br))
			if tt.ok {
				if err != nil {
					t.Fatalf("%v", err)
				}
				if got := f.id.last().Get("code"); got != goodCode {
					t.Errorf("redeemed %q", got)
				}
				return
			}
			if err == nil || asProblem(err) != nil {
				t.Errorf("error %v; want one that is no Problem", err)
			}
			br.stillOpen()
		})
	}
}

func TestPastedRefusalEndsTheSignIn(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	br := f.begin()
	err := br.b.Paste(t.Context(), br.answer(url.Values{"code": nil, "error": {"access_denied"}}))
	wantProblem(t, err, SignIn, "access_denied")
	wantProblem(t, br.b.Paste(t.Context(), goodCode), SignIn, "access_denied") // the end stays the end
	if n := f.id.count(""); n != 0 {
		t.Errorf("%d token requests", n)
	}
}

// A sign-in with its own timer and no sockets.
func TestSignInEndsAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		account, err := f.Account(t.Context(), ann)
		if err != nil {
			t.Fatal(err)
		}
		b := &BrowserSignIn{signIn: signIn{m: f.Manager, account: account, flow: FlowBrowser}, done: make(chan struct{})}
		f.mu.Lock()
		b.serve(nil)
		f.live[ann] = &live{browser: b}
		f.mu.Unlock()
		began := time.Now()
		wantProblem(t, b.Wait(t.Context()), SignIn, "sign-in-timeout")
		if took := time.Since(began); took != signInLimit {
			t.Errorf("it took %v", took)
		}
		time.Sleep(lingerLimit)
	})
}

func FuzzPasted(f *testing.F) {
	const state = "state-of-this-sign-in-0123456789abcdefghijk"
	for _, s := range []string{
		"http://localhost:1/?code=abcdefgh&state=" + state, "abcdefgh", "abcdefgh&session_state=x", "code=abcdefgh&state=" + state,
		"http://localhost/?error=access_denied&state=" + state, "?code=abcdefgh", "#code=abcdefgh", "%61bcdefgh", "a b", "&&&", "code=&code=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readPasted(text, state)
		if err != nil {
			return
		}
		if (r.code == "") == (r.refused.Error == "") {
			t.Fatalf("%q: code %q and error %q", text, r.code, r.refused.Error)
		}
		if strings.ContainsAny(r.code, " \r\n\t\x00") || len(r.code) > mostCode {
			t.Errorf("%q: code %q", text, r.code)
		}
		if r.refused.Error != "" && !strings.Contains(text, state) {
			if q, _ := url.QueryUnescape(text); !strings.Contains(q, state) {
				t.Errorf("%q ended a sign-in that it does not belong to", text)
			}
		}
	})
}
