package store

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const theSecret = "correct-horse-battery"

// requireNoSecret looks for the tests' secrets, also in the forms that %x, %q, %d and base64 give them.
func requireNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{theSecret, "access-token", "refresh-token"} {
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret),
			strings.Trim(fmt.Sprint([]byte(secret)), "[]")} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows a secret: %s", what, text)
			}
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret(theSecret)
	type exported struct{ S Secret }
	type hidden struct {
		s Secret
		p *Secret
		m map[string]Secret
		l []Secret
		a any
	}
	values := map[string]any{
		"secret": s, "pointer": &s, "exported": exported{s}, "slice": []Secret{s}, "map": map[string]Secret{"k": s},
		"key": map[Secret]int{s: 1}, "hidden": hidden{s, &s, map[string]Secret{"k": s}, []Secret{s}, s}, "record": fullRecord(),
		"token": fullRecord().Token, "error": errors.New(s.String()),
	}
	for name, v := range values {
		for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
			for _, flags := range []string{"", "+", "#", " ", "0", "-", "40", ".3"} {
				format := "%" + flags + string(verb)
				requireNoSecret(t, name+" "+format, fmt.Sprintf(format, v))
			}
		}
		requireNoSecret(t, name+" Print", fmt.Sprint(v))
		for kind, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var out bytes.Buffer
			slog.New(handler(&out)).With("with", v).WithGroup("g").Info("event", "value", v)
			requireNoSecret(t, name+" slog "+kind, out.String())
		}
		text, _ := json.Marshal(v)
		requireNoSecret(t, name+" json", string(text))
		text, _ = xml.Marshal(v)
		requireNoSecret(t, name+" xml", string(text))
	}
	for _, text := range []string{s.String(), fmt.Sprintf("%v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%s", s), fmt.Sprintf("%q", s), fmt.Sprintf("%x", s)} {
		if text != "REDACTED" {
			t.Errorf("got %q; want REDACTED", text)
		}
	}
	if text, err := json.Marshal(s); err != nil || string(text) != `"REDACTED"` {
		t.Errorf("json: %s, %v", text, err)
	}
}

func TestSecretValues(t *testing.T) {
	var zero Secret
	if !zero.IsZero() || zero.Reveal() != "" || zero != NewSecret("") || fmt.Sprint(zero) != "" {
		t.Error("the zero value is not the empty secret")
	}
	if text, err := json.Marshal(zero); err != nil || string(text) != `""` {
		t.Errorf("json: %s, %v", text, err)
	}
	s := NewSecret(theSecret)
	if s.IsZero() || s.Reveal() != theSecret || s != NewSecret(strings.Clone(theSecret)) || s == NewSecret("other") {
		t.Error("secrets do not compare by what they hold")
	}
	for text, into := range map[string]any{`"REDACTED"`: &s, `{"Refresh":"REDACTED"}`: &Token{}} {
		if err := json.Unmarshal([]byte(text), into); err == nil {
			t.Error("a Secret was read back from JSON")
		}
	}
}
