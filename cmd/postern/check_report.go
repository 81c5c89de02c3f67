package main

import (
	"context"
	"fmt"
	"strings"
)

// level is how one check came out.
type level string

const (
	levelOK   level = "ok"
	levelWarn level = "warn" // it works, but will not always, or is not safe
	levelFail level = "fail"
	levelSkip level = "skip" // what it stands on is broken
)

// finding is one line of `postern check`, and one element of its JSON.
type finding struct {
	Name    string `json:"name"`
	Account string `json:"account"` // "" = it is not about one account
	Level   level  `json:"level"`
	Found   string `json:"found"`
	Cure    string `json:"cure"`

	code  int  // the exit code, of a fail
	below bool // the next finding has the same cure, and is shown with it
}

// what names the thing that was looked at.
func (f finding) what() string {
	if f.Account == "" {
		return f.Name
	}
	return f.Account + ": " + f.Name
}

func (f finding) String() string {
	line := fmt.Sprintf("%-4s  %s: %s", f.Level, f.what(), f.Found)
	if f.Cure != "" && !f.below {
		line += "\n      cure: " + f.Cure
	}
	return line
}

// report collects findings in the order of their layers.
type report struct {
	findings []finding
	show     func(finding) // sees each as it comes; nil when nobody waits
}

func (r *report) add(f finding) {
	f.Found = strings.Join(strings.Fields(f.Found), " ")
	r.findings = append(r.findings, f)
	if r.show != nil {
		r.show(f)
	}
}

// document is what --json prints.
func (r *report) document() any {
	return struct {
		OK     bool      `json:"ok"`
		Checks []finding `json:"checks"`
	}{r.verdict() == nil, r.findings}
}

// verdict is nil when nothing failed, or the first thing that did: the others may follow from it.
func (r *report) verdict() error {
	var first *finding
	more := ""
	n := 0
	for i := range r.findings {
		switch {
		case r.findings[i].Level != levelFail:
		case first == nil:
			first = &r.findings[i]
		default:
			n++
			more = fmt.Sprintf(" (and %d more)", n)
		}
	}
	if first == nil {
		return nil
	}
	return &failure{code: first.code, err: fmt.Errorf("%s: %s%s", first.what(), first.Found, more), hint: first.Cure}
}

// topic is one thing to look at. Its methods say how that came out, and return whether what stands on it can be
// looked at.
type topic struct {
	report        *report
	account, name string
}

func (r *report) on(name string) topic { return topic{report: r, name: name} }

func (t topic) add(l level, code int, cure, found string) {
	t.report.add(finding{Name: t.name, Account: t.account, Level: l, Found: found, Cure: cure, code: code})
}

func (t topic) ok(format string, args ...any) bool {
	t.add(levelOK, 0, "", fmt.Sprintf(format, args...))
	return true
}

func (t topic) warn(cure, format string, args ...any) bool {
	t.add(levelWarn, 0, cure, fmt.Sprintf(format, args...))
	return true
}

func (t topic) fail(code int, cure, format string, args ...any) bool {
	t.add(levelFail, code, cure, fmt.Sprintf(format, args...))
	return false
}

// failWith makes one line of each error that is joined in err.
func (t topic) failWith(err error) bool {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		t.report.add(finding{Name: t.name, Account: t.account, Level: levelFail, Found: line, Cure: hint(err),
			code: exitCode(context.Background(), err), below: i < len(lines)-1})
	}
	return false
}

// skip names what has to be mended first.
func (t topic) skip(first string) bool {
	t.add(levelSkip, 0, "", "not checked: "+first+" comes first")
	return false
}

// unknown says why something can not be looked at though nothing is broken.
func (t topic) unknown(why string) bool {
	t.add(levelSkip, 0, "", "not checked: "+why)
	return true
}
