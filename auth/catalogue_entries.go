package auth

import (
	"slices"
	"strconv"
)

// Entry is one row of the error catalogue, as docs/errors.md shows it.
type Entry struct {
	Section Section
	Codes   []string // what Problem.Code says; an HTTP status stands for itself
	Texts   []string // parts of what a mail server says, by which the row is found
	Problem Problem  // with EMAIL, TENANT, PROVIDER, HOST and … for what differs from case to case
	// ByValue says that Class is 0 because the OAuth error value beside the number decides it.
	ByValue bool
}

// Section is where a failure comes from.
type Section string

// The sections of the catalogue.
const (
	SectionAADSTS Section = "aadsts" // Microsoft's error numbers
	SectionOAuth  Section = "oauth"  // error values of the OAuth endpoints
	SectionWay    Section = "way"    // the way to the provider, and answers that are none
	SectionOwn    Section = "own"    // what Postern finds itself
	SectionMail   Section = "mail"   // what mail servers say
)

// Catalogue returns every failure that Postern knows, in the order of docs/errors.md. The caller may change it.
func Catalogue() []Entry {
	var all []Entry
	for _, s := range []struct {
		section Section
		rows    []row
	}{
		{SectionAADSTS, aadstsRows}, {SectionOAuth, oauthRows}, {SectionWay, wayRows}, {SectionOwn, ownRows}, {SectionMail, mailRows},
	} {
		for _, r := range s.rows {
			all = append(all, r.entry(s.section))
		}
	}
	return all
}

func (r row) entry(s Section) Entry {
	e := Entry{Section: s, Texts: slices.Clone(r.texts), ByValue: r.class == 0}
	switch {
	case r.key != "":
		e.Codes = []string{r.key}
	case r.texts != nil:
		e.Codes = []string{textCode(r.texts[0])}
	}
	for _, n := range r.codes {
		e.Codes = append(e.Codes, "AADSTS"+strconv.Itoa(n))
	}
	e.Problem = *r.problem(e.Codes[0], about{
		account: Account{Email: "EMAIL", Tenant: "TENANT", Provider: Provider{Name: "PROVIDER"}}, host: "HOST", detail: "…",
	})
	return e
}
