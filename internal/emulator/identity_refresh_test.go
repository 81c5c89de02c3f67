package emulator

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

func refreshForm(token string, change func(url.Values)) url.Values {
	v := url.Values{"grant_type": {"refresh_token"}, "client_id": {SampleClientID}, "refresh_token": {token}}
	if change != nil {
		change(v)
	}
	return v
}

func refresh(t testing.TB, e *Emulator, token string, change func(url.Values)) reply {
	t.Helper()
	return post(t, e, e.Identity.TokenURL("common"), refreshForm(token, change))
}

func TestRotation(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	first := issueToken(t, e, Grant{})
	r := refresh(t, e, first.Refresh, nil)
	if r.status != 200 || r.Refresh == "" || r.Refresh == first.Refresh || r.Access == first.Access || r.IDToken != "" {
		t.Fatal(r.raw)
	}
	if again := refresh(t, e, first.Refresh, nil); again.status != 200 {
		t.Error("Microsoft keeps the old token good:", again.raw)
	}
	if next := refresh(t, e, r.Refresh, nil); next.status != 200 || next.Refresh == r.Refresh {
		t.Error(next.raw)
	}
	if n := e.Identity.Count(TokenRefresh); n != 3 || e.Identity.Count(Token) != 3 {
		t.Errorf("counted %d", n)
	}
	if got := e.Identity.Last(TokenRefresh).Get("refresh_token"); got != r.Refresh {
		t.Error("the last request is another")
	}
}

// TestReuseDetection walks through the whole policy. Each step presents the n-th token that was handed out.
func TestReuseDetection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grace int
		steps []int  // index of the token presented; a good one appends its successor
		good  string // y or n per step
		dead  int    // families ended
	}{
		"in order":                      {0, []int{0, 1, 2, 3}, "yyyy", 0},
		"again at once, no grace":       {0, []int{0, 0}, "yn", 1},
		"again at once, grace 1":        {1, []int{0, 0}, "yy", 0},
		"grace is counted":              {1, []int{0, 0, 0}, "yyn", 1},
		"grace ends with the successor": {5, []int{0, 1, 0}, "yyn", 1},
		"the whole family dies":         {0, []int{0, 1, 0, 1, 2}, "yynnn", 1},
		"a lost answer's heir is good":  {1, []int{0, 0, 2, 3}, "yyyy", 0},
		"either heir ends the grace":    {9, []int{0, 0, 2, 0}, "yyyn", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, Options{Policy: Policy{ReuseDetection: true, ReuseGrace: c.grace}})
			other := issueToken(t, e, Grant{}).Refresh
			tokens := []string{issueToken(t, e, Grant{}).Refresh}
			for i, step := range c.steps {
				r := refresh(t, e, tokens[step], nil)
				if good := c.good[i] == 'y'; good != (r.status == 200) || !good && r.code() != 70000 {
					t.Fatalf("step %d: %s", i, r.raw)
				}
				if r.Refresh != "" {
					tokens = append(tokens, r.Refresh)
				}
			}
			if n := e.Identity.Reuses(); n != c.dead {
				t.Errorf("%d families ended; want %d", n, c.dead)
			}
			if r := refresh(t, e, other, nil); r.status != 200 {
				t.Error("another family suffers:", r.raw)
			}
		})
	}
}

func TestRefreshScopes(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	smtp := "https://outlook.office.com/SMTP.Send"
	for _, user := range []string{"ann@example.com", "bob@work.example"} {
		token := issueToken(t, e, Grant{User: user, Scopes: []string{ScopeIMAP, smtp, "offline_access"}}).Refresh
		with := func(scope string) reply {
			return refresh(t, e, token, func(v url.Values) { v.Set("scope", scope) })
		}
		if r := with(smtp + " offline_access"); r.status != 200 || r.Scope != smtp {
			t.Error("subset:", r.raw)
		}
		if r := with("https://outlook.office365.com/imap.accessasuser.all openid profile"); r.status != 200 || r.IDToken == "" {
			t.Error("the other prefix, another case, and a sign-in scope:", r.raw)
		}
		want := map[string]int{"ann@example.com": 70000, "bob@work.example": 65001}[user]
		if r := with(ScopeIMAP + " https://outlook.office.com/POP.AccessAsUser.All"); r.code() != want {
			t.Error("never granted:", r.raw)
		}
	}
	two := issueToken(t, e, Grant{User: "bob@work.example", Scopes: []string{"User.Read", ScopeIMAP, "offline_access"}})
	if r := refresh(t, e, two.Refresh, nil); r.status != 200 || r.Scope != "User.Read" {
		t.Error("the first resource's token:", r.raw)
	}
}

func TestRefreshRefusals(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	if r := refresh(t, e, "made up", nil); r.code() != 70000 || r.Error != "invalid_grant" {
		t.Error(r.raw)
	}
	if r := refresh(t, e, "", nil); r.code() != 900144 {
		t.Error(r.raw)
	}
	ann, bob := issueToken(t, e, Grant{}), issueToken(t, e, Grant{User: "bob@work.example"})
	e.Identity.RevokeUser("ANN@example.com")
	if r := refresh(t, e, ann.Refresh, nil); r.code() != 50173 || r.Error != "invalid_grant" {
		t.Error(r.raw)
	}
	if r := refresh(t, e, bob.Refresh, nil); r.status != 200 {
		t.Error("another person suffers:", r.raw)
	}
	w := dial(t, e)
	w.login("ann@example.com", ann.Access) // lives on
	ann = issueToken(t, e, Grant{})
	if r := refresh(t, e, ann.Refresh, nil); r.status != 200 {
		t.Error("a new sign-in is revoked too:", r.raw)
	}
	e.Identity.Configure(func(p *Policy) { p.RefreshLife = time.Nanosecond })
	if r := refresh(t, e, ann.Refresh, nil); r.code() != 700082 {
		t.Error(r.raw)
	}
}

func TestAnswerForms(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Policy: Policy{AccessLife: 1234 * time.Second}})
	token := issueToken(t, e, Grant{}).Refresh
	for form, want := range map[ExpiresForm]any{ExpiresNumber: 1234.0, ExpiresString: "1234", ExpiresAbsent: nil} {
		e.Identity.Configure(func(p *Policy) { p.ExpiresIn = form })
		r := refresh(t, e, token, nil)
		if r.ExpiresIn != want || r.ExtIn != want || strings.Contains(r.raw, "expires_in") != (want != nil) {
			t.Errorf("%s: %s", strconv.Itoa(int(form)), r.raw)
		}
	}
	e.Identity.Configure(func(p *Policy) { p.NoRotation, p.ReuseDetection = true, true })
	token = issueToken(t, e, Grant{}).Refresh
	for range 3 {
		if r := refresh(t, e, token, nil); r.status != 200 || strings.Contains(r.raw, "refresh_token") {
			t.Error("without rotation:", r.raw)
		}
	}
	if got := issueToken(t, e, Grant{Scopes: []string{ScopeIMAP}}); got.Refresh != "" {
		t.Error("a refresh token without offline_access")
	}
}
