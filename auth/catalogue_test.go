package auth

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Every row gives a whole Problem, and is the one that its own keys find.
func TestCatalogueRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range catalogue {
		name := fmt.Sprint(r.key, r.codes, r.texts)
		t.Run(name, func(t *testing.T) {
			for _, id := range append(append(slices.Clone(r.texts), r.key), numbersAsText(r.codes)...) {
				if id != "" && seen[id] {
					t.Errorf("%s stands in two rows", id)
				}
				seen[id] = true
			}
			if n := btoi(r.key != "") + btoi(r.codes != nil) + btoi(r.texts != nil); n != 1 {
				t.Fatalf("found in %d ways; want 1", n)
			}
			if r.class == 0 && r.codes == nil {
				t.Error("no class")
			}
			checkSentence(t, r.say, r.cure)
			for _, p := range rowProblems(r) {
				if p.Say == "" || p.Cure == "" || p.Code == "" || p.Class.String() == "" {
					t.Errorf("problem %+v", p)
				}
				if r.class != 0 && p.Class != r.class {
					t.Errorf("%s: class %v; want %v", p.Code, p.Class, r.class)
				}
				if strings.ContainsAny(p.Say+p.Cure, "{}") || strings.Contains(p.Say, "%!") {
					t.Errorf("%s: unfilled: %s / %s", p.Code, p.Say, p.Cure)
				}
			}
		})
	}
}

// rowProblems finds the row from outside, by every one of its keys.
func rowProblems(r row) []*Problem {
	a := annAccount()
	a.Tenant, a.Provider = "common", fakeProvider()
	var all []*Problem
	if r.key != "" {
		all = append(all, newProblem(r.key, about{account: a, detail: "x"}))
	}
	for _, n := range r.codes {
		// With invalid_grant, the value that most of them come with and that is the most tempting to believe.
		all = append(all, oauthError{Error: "invalid_grant", Codes: numbers{n}}.problem(about{account: a}))
	}
	for _, text := range r.texts {
		if p, ok := Explain("535 " + strings.ToUpper(text) + " [server]"); ok {
			all = append(all, p)
		} else {
			all = append(all, &Problem{Say: "not found: " + text})
		}
	}
	return all
}

func checkSentence(t *testing.T, say, cure string) {
	t.Helper()
	if say == "" || cure == "" {
		t.Fatal("no sentence or no cure")
	}
	for _, s := range []string{say, cure} {
		if strings.HasSuffix(s, ".") || strings.ContainsAny(s, "\r\n") {
			t.Errorf("not a plain sentence: %q", s)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func numbersAsText(codes []int) []string {
	var all []string
	for _, n := range codes {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

// The class of each number, as Microsoft's page and the reports of users have it.
func TestAADSTSClasses(t *testing.T) {
	want := map[Class]string{
		Retry: "50033 90006 90012 90024 90033 90090 70012 50000 90036 50087 50088 50196 90055 70016",
		SignIn: `50053 50055 50144 50058 50126 50072 50079 50074 50076 50078 50158 50085 50089 50140 50199 53004 53011
			50132 50133 50173 70008 700082 700084 70043 70000 54005 501481 50147 501491 65001 65004 70018 70019 70020 90119 90120
			900561 90014 90100 900144 9002313 90023`,
		Admin: `50057 50097 50129 50155 50187 50105 50131 53000 53001 53002 53003 530032 530035 500021 500022 50002 500212
			500213 650052 650054 70001 7000112 700011 90072 90094 90095`,
		Configuration: `16000 50020 500208 50011 50014 50034 51004 50012 700027 700024 50059 90019 50194 500011 65002 65005
			65006 650056 650057 70011 28002 28003 700022 700023 700005 700016 700025 7000215 7000222 70002 7000218 90002 90038
			90043 90124 90130 9001023 9002332 900971 70004 90102 90027 500201 500112 70003 700051`,
	}
	known := 0
	for class, list := range want {
		for code := range strings.FieldsSeq(list) {
			known++
			n, err := strconv.Atoi(code)
			if err != nil {
				t.Fatal(err)
			}
			p := oauthError{Error: "invalid_grant", Codes: numbers{n}}.problem(about{})
			if p.Class != class || p.Code != "AADSTS"+code {
				t.Errorf("%s: %v %s; want %v", code, p.Class, p.Code, class)
			}
		}
	}
	for _, r := range catalogue {
		known -= len(r.codes)
	}
	if known != 0 {
		t.Errorf("this table and the catalogue differ by %d numbers", known)
	}
}

// Where the number leaves the class open, the error value decides.
func TestClassByErrorValue(t *testing.T) {
	for _, n := range []int{90014, 90023, 90100, 900144, 9002313} {
		if p := (oauthError{Error: "invalid_request", Codes: numbers{n}}).problem(about{}); p.Class != Configuration {
			t.Errorf("%d beside invalid_request: %v", n, p.Class)
		}
	}
	for value, class := range map[string]Class{
		"invalid_grant": SignIn, "interaction_required": SignIn, "consent_required": SignIn, "login_required": SignIn,
		"access_denied": SignIn, "invalid_client": Configuration, "unauthorized_client": Configuration,
		"invalid_scope": Configuration, "invalid_request": Configuration, "unsupported_grant_type": Configuration,
		"invalid_resource": Configuration, "temporarily_unavailable": Retry, "server_error": Retry,
	} {
		if p := (oauthError{Error: value}).problem(about{}); p.Class != class || p.Code != value {
			t.Errorf("%s: %v %s; want %v", value, p.Class, p.Code, class)
		}
	}
}

func TestExplain(t *testing.T) {
	tests := []struct {
		text  string
		class Class
	}{
		{"AUTHENTICATE failed.", Refresh},
		{"A1 NO AUTHENTICATE failed.", Refresh},
		{"LOGIN failed.", Configuration},
		{"Basic authentication is disabled.", Configuration},
		{"BAD User is authenticated but not connected.", Configuration},
		{"Session invalidated - AccessTokenExpired", Refresh},
		{"Session invalidated - Invalid", Refresh},
		{"Request is throttled. Suggested Backoff Time: 299961 milliseconds", Retry},
		{"Server Unavailable. 15", Retry},
		{"Connection is closed. 13", Retry},
		{"Connection closed. 14", Retry},
		{"Command received in Invalid state.", Retry},
		{"Command Error. 10", Configuration},
		{"Command Argument Error. 11", Configuration},
		{"Command Argument Error. 12", Configuration},
		{"Microsoft Exchange Server IMAP4 server signing off.", Retry},
		{"-ERR Authentication failure: unknown user name or bad password.", Refresh},
		{"-ERR Protocol error. Connection is closed. 10", Configuration},
		{"535 5.7.3 Authentication unsuccessful [AM0PR01CA0001.eurprd01.prod.exchangelabs.com 2026-09-22T10:00:00.000Z 08DE0000]", Refresh},
		{"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.", Admin},
		{"535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", Configuration},
		{"550 5.7.30 Basic authentication is not supported for Client Submission.", Configuration},
		{"432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending", Retry},
		{"432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Retry},
		{"430 4.2.0 STOREDRV; mailbox logon failure", Admin},
		{"554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied", Admin},
		{"550 5.7.60 SMTP; Client does not have permissions to send as this sender", Admin},
		{"554 5.2.0 daily limit", Retry},
		{"554 5.2.2 mailbox full", Configuration},
		{"501 5.5.124 Invalid XOAUTH2 auth data", Refresh},
		{"501 5.5.127 Token will expire soon", Refresh},
		{"555-5.5.2 Syntax error, command line too long", Configuration},
	}
	for _, tt := range tests {
		p, ok := Explain(tt.text)
		if !ok || p.Class != tt.class || p.Say == "" || p.Cure == "" || p.Code == "" {
			t.Errorf("%q: %+v; want %v", tt.text, p, tt.class)
		}
	}
	for _, text := range []string{"", "OK", "NAMESPACE completed.", "BAD Unknown command"} {
		if p, ok := Explain(text); ok {
			t.Errorf("%q: %+v; want nothing", text, p)
		}
	}
}

func TestThrottleTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"Request is throttled. Suggested Backoff Time: 89117 milliseconds":     89117 * time.Millisecond,
		"BAD Request is throttled. suggested backoff time = 5000 milliseconds": 5 * time.Second,
		"NO Request is throttled. Suggested Backoff Time 300000 milliseconds":  5 * time.Minute,
		"Request is throttled.":                                                           time.Minute,
		"Request is throttled. Suggested Backoff Time: soon":                              time.Minute,
		"Request is throttled. Suggested Backoff Time: 99999999999999999999 milliseconds": time.Hour,
		"Request is throttled. Suggested Backoff Time: 7200000 milliseconds":              time.Hour,
	} {
		before := time.Now()
		p, ok := Explain(text)
		if !ok || p.RetryAt.Before(before.Add(want)) || p.RetryAt.After(time.Now().Add(want)) {
			t.Errorf("%q: %+v; want %v", text, p, want)
		}
	}
}

func TestExplainGivesAProblemOfItsOwn(t *testing.T) {
	a, _ := Explain("AUTHENTICATE failed.")
	a.Say = "changed"
	if b, _ := Explain("AUTHENTICATE failed."); b.Say == "changed" {
		t.Error("one caller changes what another gets")
	}
}

func TestExplainedProblemNamesTheAccount(t *testing.T) {
	p, _ := Explain("BAD User is authenticated but not connected.")
	if !strings.Contains(p.Cure, "postern login EMAIL") {
		t.Error(p.Cure)
	}
	p.For(Account{Email: ann})
	if !strings.Contains(p.Cure, "postern login "+ann) || strings.Contains(p.Cure, "EMAIL") || p.Say == "" {
		t.Error(p.Say, p.Cure)
	}
	own := &Problem{Say: "said by somebody else", Cure: "{account}"}
	own.For(Account{Email: ann})
	if own.Say != "said by somebody else" || own.Cure != "{account}" {
		t.Error(own.Say, own.Cure)
	}
}

func TestSentenceWithoutTenant(t *testing.T) {
	r, _ := rowForNumber(700016)
	for tenant, want := range map[string]string{"": "in the tenant", "contoso.com": "in the tenant contoso.com"} {
		if p := r.problem("AADSTS700016", about{account: Account{Tenant: tenant}}); !strings.HasSuffix(p.Say, want) || strings.Contains(p.Say, "tenant the") {
			t.Errorf("%q: %s", tenant, p.Say)
		}
	}
}

func TestConsentURL(t *testing.T) {
	a := annAccount()
	a.Provider, a.Tenant = BuiltIn()["microsoft365"].onlyFor([]string{"imap"}), "common"
	p := oauthError{Error: "access_denied", Codes: numbers{90094}}.problem(about{account: a})
	want := "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=" + clientID +
		"&redirect_uri=http%3A%2F%2Flocalhost&scope=https%3A%2F%2Foutlook.office.com%2FIMAP.AccessAsUser.All"
	if p.Class != Admin || !strings.HasSuffix(p.Cure, want) {
		t.Errorf("cure %q; want it to end with %s", p.Cure, want)
	}
	a.Tenant = "contoso.onmicrosoft.com"
	if got := a.consentURL(); !strings.HasPrefix(got, "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0/") {
		t.Errorf("%s", got)
	}
}

// Every key that the code names is in the catalogue, so that newProblem never panics.
func TestKeysExist(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		p, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(p, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && slices.Contains([]string{"newProblem", "problem", "wrong"}, name) {
				key, _ := strconv.Unquote(lit.Value)
				if _, ok := rowFor(key); !ok {
					t.Errorf("no row for %q", key)
				}
				used++
			}
			return true
		})
	}
	if used < 30 {
		t.Errorf("only %d uses found: does this test still look at the right calls?", used)
	}
}
