package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"postern/auth"
	"postern/internal/config"
)

const redactedText = "REDACTED"

// pseudonyms give every name of a person, an organisation or an app a stand-in, the same one each time. The zero
// value knows nothing, but finds addresses and what looks like a secret by itself.
type pseudonyms struct {
	home    string // the home directory
	given   map[string]string
	counts  map[string]int
	secrets []string
}

// secret remembers a text that is to disappear.
func (p *pseudonyms) secret(s string) {
	// Something shorter would take ordinary words with it.
	if len(s) >= 6 {
		p.secrets = append(p.secrets, s)
	}
}

// name returns the stand-in of a name, a new one of that kind when it has none. Case does not count.
func (p *pseudonyms) name(kind, of string) string {
	key := strings.ToLower(of)
	if p.given == nil {
		p.given, p.counts = map[string]string{}, map[string]int{}
	}
	if p.given[key] == "" {
		p.counts[kind]++
		p.given[key] = fmt.Sprintf("%s%d", kind, p.counts[kind])
	}
	return p.given[key]
}

// address returns the stand-in of a mail address. Its domain gets one too: it may stand in the name of a server
// or a tenant.
func (p *pseudonyms) address(email string) string {
	user, domain, ok := strings.Cut(email, "@")
	if !ok || user == "" || domain == "" {
		return email
	}
	key := strings.ToLower(email)
	if p.given[key] == "" {
		// Behind a NUL it is replaced where it ends an address, but nowhere else.
		if auth.ProviderFor(email) != "microsoft365" {
			domain = "\x00" + domain
		}
		stand := p.name("user", key) + "@" + p.name("domain", domain)
		p.given[key] = stand
	}
	return p.given[key]
}

func (p *pseudonyms) learnAccount(email string, a config.Account) {
	p.address(email)
	for _, who := range []string{a.Mailbox, a.SignInAs} {
		switch {
		case strings.Contains(who, "@"):
			p.address(who)
		case len(who) > 2:
			p.name("user", who)
		}
	}
	if a.ClientID != "" {
		p.name("client", a.ClientID)
	}
	switch strings.ToLower(a.Tenant) {
	case "", "common", "organizations", "consumers":
	default:
		p.name("tenant", a.Tenant)
	}
}

var (
	anAddress = regexp.MustCompile(`[\p{L}\p{N}._+'-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+`)
	aGUID     = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b`)
	// A secret is long and of one piece; nothing else here is.
	aSecret = regexp.MustCompile(`[A-Za-z0-9+_=-]{40,}(?:\.[A-Za-z0-9_=-]+)*|(?:sha256|argon2id)\$\S+`)
)

// hide returns the text without secrets and without names.
func (p *pseudonyms) hide(text string) string {
	for _, s := range longestFirst(p.secrets) {
		text = strings.ReplaceAll(text, s, redactedText)
	}
	if p.home != "" && p.home != "/" {
		text = strings.ReplaceAll(text, p.home+"/", "~/")
	}
	text = strings.ReplaceAll(text, "%40", "@")
	for _, known := range longestFirst(slices.Collect(maps.Keys(p.given))) {
		text = replaceWord(text, known, p.given[known])
	}
	text = anAddress.ReplaceAllStringFunc(text, func(found string) string {
		if standIn.MatchString(found) {
			return found
		}
		return p.address(found)
	})
	text = aGUID.ReplaceAllStringFunc(text, func(found string) string { return p.name("id", found) })
	return aSecret.ReplaceAllStringFunc(text, func(found string) string {
		if !strings.ContainsAny(found, "0123456789") { // long words of ours
			return found
		}
		return redactedText
	})
}

// standIn is what address gives.
var standIn = regexp.MustCompile(`^user\d+@domain\d+`)

// replaceWord replaces a name where it is not part of another word, whatever its case.
func replaceWord(text, name, by string) string {
	word := regexp.MustCompile(`(?i)(^|[^\p{L}\p{N}])` + regexp.QuoteMeta(name) + `($|[^\p{L}\p{N}])`)
	for range 2 { // a separator between two names belongs to both, and one pass misses the second
		text = word.ReplaceAllString(text, "${1}"+by+"${2}")
	}
	return text
}

func longestFirst(all []string) []string {
	return slices.SortedFunc(slices.Values(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
}
