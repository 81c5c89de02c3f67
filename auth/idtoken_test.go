package auth

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestReadIDToken(t *testing.T) {
	token := func(payload string) string {
		return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	tests := []struct {
		name, token, who string
		ok               bool
	}{
		{"preferred_username", token(`{"preferred_username":"Ann@Example.com"}`), "Ann@Example.com", true},
		{"email", token(`{"preferred_username":"other@example.com","email":"ann@example.com"}`), "other@example.com", true},
		{"upn", token(`{"upn":"ann@example.com","preferred_username":7}`), "ann@example.com", true},
		{"none of them", token(`{"sub":"x"}`), "", true},
		{"with padding", "e30." + base64.URLEncoding.EncodeToString([]byte(`{"email":"ann@example.com"} `)) + ".x", "ann@example.com", true},
		{"with control characters", token(`{"email":"ann\u001b[2J@example.com"}`), "ann [2J@example.com", true},
		{"two parts", "a.b", "", false},
		{"no base64", "a.!.c", "", false},
		{"no JSON", token(`{`), "", false},
		{"a list", token(`[]`), "", false},
		{"too long", token(`{"email":"` + strings.Repeat("a", mostIDToken) + `"}`), "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			who, err := readIDToken(tt.token)
			if (err == nil) != tt.ok || who.String() != tt.who {
				t.Errorf("%q, %v; want %q", who, err, tt.who)
			}
		})
	}
	who, _ := readIDToken(tests[1].token)
	if !who.is("ANN@example.com") || !who.is("other@example.com") || who.is("bob@example.com") || who.is("") {
		t.Errorf("%v", who)
	}
}

func FuzzIDToken(f *testing.F) {
	f.Add(idToken(ann))
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, s string) {
		who, err := readIDToken(s)
		if err != nil && len(who.names) > 0 {
			t.Error("names beside an error")
		}
		for _, name := range who.names {
			if name == "" || len(name) > 260 || strings.ContainsAny(name, "\r\n\x00\x1b") {
				t.Errorf("name %q", name)
			}
		}
	})
}
