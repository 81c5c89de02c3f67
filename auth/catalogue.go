package auth

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is one entry of the catalogue: what is known about a failure. It is found by exactly one of key, codes
// and texts.
type row struct {
	key   string   // an OAuth error value, or our own name of a situation
	codes []int    // AADSTS numbers
	texts []string // part of what an Exchange mail server says; case does not count
	class Class    // with codes, 0 = that of the OAuth error value beside the number
	say   string
	cure  string
	pause time.Duration // at least so long before the next attempt
}

// about is what the sentences of the catalogue speak of.
type about struct {
	account Account
	host    string // of the endpoint that was asked
	detail  string // what is special about this case
}

func (a about) fill(text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return strings.NewReplacer(
		"{account}", cmp.Or(a.account.Email, "EMAIL"),
		"{who}", cmp.Or(a.account.SignInAs, a.account.Email, "EMAIL"),
		"{provider}", cmp.Or(a.account.Provider.Name, "the provider"),
		"the tenant {tenant}", strings.TrimSpace("the tenant "+a.account.Tenant),
		"{tenant}", cmp.Or(a.account.Tenant, "the tenant"),
		"{consent}", cmp.Or(a.account.consentURL(), "the consent page of docs/microsoft.md"),
		"{host}", cmp.Or(a.host, "the provider"),
		"{detail}", printable(a.detail, 300),
	).Replace(text)
}

func (r row) problem(code string, a about) *Problem {
	return &Problem{Class: r.class, Code: code, Say: a.fill(r.say), Cure: a.fill(r.cure), pause: r.pause}
}

func rowFor(key string) (row, bool) {
	return find(func(r row) bool { return r.key != "" && r.key == key })
}

func rowForNumber(n int) (row, bool) {
	return find(func(r row) bool { return slices.Contains(r.codes, n) })
}

func rowForText(text string) (row, bool) {
	text = strings.ToLower(text)
	return find(func(r row) bool {
		return slices.ContainsFunc(r.texts, func(part string) bool { return strings.Contains(text, strings.ToLower(part)) })
	})
}

func find(match func(row) bool) (row, bool) {
	i := slices.IndexFunc(catalogue, match)
	if i < 0 {
		return row{}, false
	}
	return catalogue[i], true
}

// newProblem is a situation of our own; key must be in the catalogue.
func newProblem(key string, a about) *Problem {
	r, ok := rowFor(key)
	if !ok {
		panic("auth: the catalogue has no " + key)
	}
	return r.problem(key, a)
}

// oauthError is the error object of the token and device endpoints, RFC 6749 section 5.2 with Microsoft's
// additions.
type oauthError struct {
	Error         string  `json:"error"`
	Description   string  `json:"error_description"`
	Codes         numbers `json:"error_codes"`
	Suberror      string  `json:"suberror"`
	Claims        string  `json:"claims"`
	TraceID       string  `json:"trace_id"`
	CorrelationID string  `json:"correlation_id"`
	Timestamp     string  `json:"timestamp"`
}

// problem sorts an OAuth error. The error value decides; an AADSTS number makes the sentence better and may
// tell a trouble that passes, or one that only an administrator mends, from a lost sign-in. It can not make a
// lost sign-in of what the provider itself calls a trouble that passes.
func (e oauthError) problem(a about) *Problem {
	value := e.value()
	r, ok := rowFor(value)
	if !ok {
		r, _ = rowFor("unknown-error")
		a.detail = value
	}
	p := r.problem(value, a)
	for _, n := range e.numbers() {
		code := "AADSTS" + strconv.Itoa(n)
		better, known := rowForNumber(n)
		if !known {
			p.Code = code
			continue
		}
		if class := cmp.Or(better.class, r.class); r.class != Retry || class == Retry {
			p = better.problem(code, a)
			p.Class = class
		}
		p.Code = code
		break
	}
	p.Detail = e.detail()
	return p
}

// value is the error value if it looks like one. A server may echo what it was sent, and that is secret.
func (e oauthError) value() string {
	word := func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_' }
	if len(e.Error) > 60 || strings.ContainsFunc(e.Error, func(r rune) bool { return !word(r) }) {
		return "unreadable"
	}
	return e.Error
}

// The number also leads the description, which is all that an authorize redirect carries.
var leadingNumber = regexp.MustCompile(`^AADSTS(\d{4,8})\b`)

func (e oauthError) numbers() []int {
	if len(e.Codes) > 0 {
		return e.Codes
	}
	if m := leadingNumber.FindStringSubmatch(e.Description); m != nil {
		n, _ := strconv.Atoi(m[1])
		return []int{n}
	}
	return nil
}

// detail is what Microsoft's support asks for. The description stays out: it is free text.
func (e oauthError) detail() string {
	var parts []string
	for _, f := range []struct{ name, value string }{
		{"suberror", e.Suberror}, {"trace", e.TraceID}, {"correlation", e.CorrelationID}, {"at", e.Timestamp},
	} {
		if f.value != "" {
			parts = append(parts, f.name+"="+printable(f.value, 60))
		}
	}
	return strings.Join(parts, " ")
}

// Explain finds what is known about the text of an Exchange IMAP, POP or SMTP answer, with or without the tag and
// the status word before it. The Problem is the caller's own; its For names the account.
func Explain(text string) (*Problem, bool) {
	r, ok := rowForText(text)
	if !ok {
		return nil, false
	}
	p := r.problem(textCode(r.texts[0]), about{})
	p.found = &r
	if r.texts[0] == throttled {
		p.pause = backoffTime(text)
	}
	if p.Class == Retry && p.pause > 0 {
		p.RetryAt = time.Now().Add(p.pause)
	}
	return p, true
}

// textCode makes a code of a server's words: "User is authenticated but not connected" gives
// "user-is-authenticated-but-not-connected".
func textCode(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.')
	})
	return strings.Trim(strings.Join(words, "-"), ".")
}

// throttled begins Exchange's refusal of a mailbox that was used too much.
const throttled = "Request is throttled"

// Seen are 5,000 to 300,000 ms, and reports of 50 minutes (2016 to 2026).
const (
	usualBackoff = time.Minute
	mostBackoff  = time.Hour
)

var backoffWords = regexp.MustCompile(`(?i)backoff time\s*[:=]?\s*(\d+)`)

func backoffTime(text string) time.Duration {
	m := backoffWords.FindStringSubmatch(text)
	if m == nil {
		return usualBackoff
	}
	ms, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || ms > mostBackoff.Milliseconds() {
		return mostBackoff
	}
	return time.Duration(ms) * time.Millisecond
}

// printable keeps a foreign text from drawing on a terminal or filling a log.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
