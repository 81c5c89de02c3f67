package migration

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"postern/internal/store"
)

var pizauthAccount = regexp.MustCompile(`(?m)^\s*account\s+"[^"]*"\s*\{`)

func isPizauth(text string) bool {
	return pizauthAccount.MatchString(text) && strings.Contains(text, "token_uri")
}

// readPizauth follows pizauth.conf(5).
func readPizauth(text string) (*Settings, error) {
	words, err := pizauthWords(text)
	if err != nil {
		return nil, err
	}
	p := &pizauthParser{words: words}
	found := &Settings{}
	var hooks []string
	for !p.done() {
		if p.take("account") {
			a, err := p.account()
			if err != nil {
				return nil, err
			}
			found.addOnce(a)
			continue
		}
		key, _, err := p.setting()
		if err != nil {
			return nil, err
		}
		hooks = append(hooks, key)
	}
	if len(hooks) > 0 {
		found.Left = append(found.Left, strings.Join(hooks, ", ")+": Postern has its own page, tray and log for that")
	}
	found.Left = append(found.Left, "the tokens: pizauth keeps them in memory only: sign in once more")
	return found, nil
}

// addOnce merges blocks for the same mailbox: pizauth needs one for each purpose.
func (f *Settings) addOnce(a Account) {
	same := func(b Account) bool {
		return a.Email != "" && b.Email == a.Email && b.ClientID == a.ClientID && b.TokenURL == a.TokenURL
	}
	if i := slices.IndexFunc(f.Accounts, same); i >= 0 {
		for _, s := range a.Scopes {
			if !slices.Contains(f.Accounts[i].Scopes, s) {
				f.Accounts[i].Scopes = append(f.Accounts[i].Scopes, s)
			}
		}
		return
	}
	f.Accounts = append(f.Accounts, a)
}

// pizauthWords cuts the text into punctuation, names, and strings, which keep their opening quote.
func pizauthWords(text string) ([]string, error) {
	var words []string
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case strings.HasPrefix(text[i:], "//"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				return words, nil
			}
			i += end
		case c == '"':
			value, n, err := pizauthString(text[i:])
			if err != nil {
				return nil, err
			}
			words = append(words, `"`+value)
			i += n
		case strings.IndexByte("{}[]=:;,", c) >= 0:
			words = append(words, string(c))
			i++
		case c == ' ' || c == '\t' || c == '\n':
			i++
		default:
			n := strings.IndexAny(text[i:], "{}[]=:;,\" \t\n")
			if n < 0 {
				n = len(text) - i
			}
			words = append(words, text[i:i+n])
			i += n
		}
	}
	return words, nil
}

func pizauthString(text string) (value string, n int, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), i + 1, nil
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", 0, errors.New("a text in quotes has no end")
}

type pizauthParser struct {
	words []string
}

func (p *pizauthParser) done() bool { return len(p.words) == 0 }

func (p *pizauthParser) next() string {
	if p.done() {
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *pizauthParser) take(word string) bool {
	if p.done() || p.words[0] != word {
		return false
	}
	p.next()
	return true
}

func (p *pizauthParser) expect(word string) error {
	if p.next() != word {
		return fmt.Errorf("%q is missing", word) // what is there instead may be a secret
	}
	return nil
}

// setting is `key = value;`, where the value is one text or several.
func (p *pizauthParser) setting() (key string, values []string, err error) {
	key = p.next()
	if err := p.expect("="); err != nil {
		return key, nil, fmt.Errorf("%s: %w", key, err)
	}
	for depth := 0; ; {
		switch w := p.next(); w {
		case "":
			return key, nil, fmt.Errorf("%s: the file ends within it", key)
		case "[", "{":
			depth++
		case "]", "}":
			depth--
		case ",", ":":
		case ";":
			if depth == 0 {
				return key, values, nil
			}
		default:
			values = append(values, strings.TrimPrefix(w, `"`))
		}
	}
}

func (p *pizauthParser) account() (a Account, err error) {
	name := strings.TrimPrefix(p.next(), `"`)
	if err := p.expect("{"); err != nil {
		return a, err
	}
	a.Flow = "browser"
	for !p.take("}") {
		key, values, err := p.setting()
		if err != nil {
			return a, fmt.Errorf("account %s: %w", name, err)
		}
		a.pizauthSetting(key, values)
	}
	p.take(";")
	if a.Email == "" && strings.Contains(name, "@") {
		a.Email = strings.ToLower(name)
	}
	if a.Email == "" {
		a.left("account "+name, "it has no login_hint that says whose it is")
	}
	return a, nil
}

func (a *Account) pizauthSetting(key string, values []string) {
	one := ""
	if len(values) > 0 {
		one = values[0]
	}
	switch key {
	case "auth_uri":
		a.AuthorizeURL = one
	case "token_uri":
		a.TokenURL = one
	case "client_id":
		a.ClientID = pizauthGiven(one)
	case "client_secret":
		a.ClientSecret = store.NewSecret(pizauthGiven(one))
	case "scopes":
		a.Scopes = values
	case "login_hint":
		a.Email = strings.ToLower(one)
	case "auth_uri_fields":
		for i := 0; i+1 < len(values); i += 2 {
			if values[i] == "login_hint" {
				a.Email = strings.ToLower(values[i+1])
			} else {
				a.left("auth_uri_fields "+values[i], "Postern asks the provider in its own way")
			}
		}
	case "redirect_uri":
		if one != "http://localhost/" && one != "http://localhost" {
			a.left("redirect_uri = "+one, "Postern waits for the browser at http://localhost with any free port: the app registration must allow that")
		}
	case "refresh_before_expiry", "refresh_at_least", "refresh_retry":
		a.left(key, "Postern renews tokens by its own rules")
	default:
		a.left(key, "it has no counterpart")
	}
}

// pizauthGiven leaves out what the example has in the place of a value.
func pizauthGiven(value string) string {
	if value == "..." {
		return ""
	}
	return value
}
