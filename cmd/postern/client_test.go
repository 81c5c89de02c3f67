package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"postern/auth"
	"postern/internal/config"
)

// docsSettings are the settings that docs/clients.md shows.
func docsSettings(t *testing.T, name string, token bool) clientSettings {
	t.Helper()
	s := clientSettings{Client: name, Email: "ann@outlook.com", Mailbox: "ann@outlook.com", Token: token, program: []string{"postern"}}
	if token {
		if err := s.useProvider(auth.BuiltIn()["outlook"], ""); err != nil {
			t.Fatal(err)
		}
		return s
	}
	l := config.Listen{}
	s.IMAP = localServer(usualAddress["imap"], l, false, false)
	s.SMTP = localServer(usualAddress["smtp"], l, false, false)
	s.POP3 = localServer(usualAddress["pop3"], l, false, false)
	return s
}

// about is what stands above a block.
func about(p clientProgram, s clientSettings) string {
	var sentences []string
	if p.goes != "" {
		sentences = append(sentences, "To "+p.goes+".")
	}
	if p.note != "" {
		sentences = append(sentences, sentence(s.say(p.note))+".")
	}
	return strings.Join(sentences, " ")
}

func mustSettings(t *testing.T, p clientProgram, s clientSettings) string {
	t.Helper()
	text, err := p.settings(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// docs/clients.md says what the program prints. UPDATE_DOCS=1 writes it anew.
func TestClientDocs(t *testing.T) {
	type entry struct{ Name, Title, About, Language, Text, TokenText, TokenNote, TunnelText string }
	page := struct {
		Tried   []string
		Untried []string
		Clients []entry
	}{}
	for _, p := range clientPrograms() {
		s := docsSettings(t, p.name, false)
		e := entry{Name: p.name, Title: p.title, About: about(p, s), Language: p.language, Text: mustSettings(t, p, s)}
		if p.token {
			e.TokenText = mustSettings(t, p, docsSettings(t, p.name, true))
			if p.tokenNote != "" {
				e.TokenNote = "; " + p.tokenNote
			}
		}
		if p.tunnel {
			s.Tunnel = true
			e.TunnelText = mustSettings(t, p, s)
		}
		if p.tried {
			page.Tried = append(page.Tried, p.title)
		} else {
			page.Untried = append(page.Untried, p.title)
		}
		page.Clients = append(page.Clients, e)
	}
	var want strings.Builder
	if err := template.Must(template.ParseFS(clientFiles, "clients/page.md.tmpl")).Execute(&want, page); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "clients.md")
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(file, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("%s is not what the templates say: UPDATE_DOCS=1 go test ./cmd/postern -run TestClientDocs", file)
	}
}

// Every variant of every template fills, and names what it connects to.
func TestClientTemplates(t *testing.T) {
	plain := mailServer{Host: "127.0.0.1", Port: "1143"}
	for _, p := range clientPrograms() {
		for _, m := range []mailServer{plain, {Host: "mail.test", Port: "993", TLS: true, CAFile: "/ca file.pem"}, {Host: "mail.test", Port: "143", StartTLS: true}} {
			for _, sends := range []bool{true, false} {
				for _, token := range []bool{false, p.token} {
					s := clientSettings{Client: p.name, Email: "o'brien+a@example.com", Mailbox: "o'brien+a@example.com", Token: token, IMAP: m, POP3: m, program: []string{"/opt/my programs/postern"}}
					if sends {
						s.SMTP = m
					}
					if s.need(p, "", "x") != nil {
						continue
					}
					text := mustSettings(t, p, s)
					for _, want := range []string{m.Host, m.Port} {
						if !strings.Contains(text, want) {
							t.Errorf("%s (%+v) does not name %s:\n%s", p.name, m, want, text)
						}
					}
					if strings.Contains(text, "<no value>") || strings.Contains(text, "%!") {
						t.Errorf("%s: %s", p.name, text)
					}
					if token && strings.Contains(text, "PASSWORD") {
						t.Errorf("%s --token wants a password:\n%s", p.name, text)
					}
				}
			}
		}
	}
}

func TestLocalServer(t *testing.T) {
	cert := config.Listen{TLSCert: "c", TLSKey: "k"}
	open := config.Listen{AllowInsecure: true}
	for _, tt := range []struct {
		address           string
		listen            config.Listen
		implicit, wantTLS bool
		want              mailServer
	}{
		{"127.0.0.1:1143", cert, false, false, mailServer{Host: "127.0.0.1", Port: "1143"}},
		{"127.0.0.1:1143", cert, false, true, mailServer{Host: "127.0.0.1", Port: "1143", StartTLS: true}},
		{"localhost:1993", cert, true, false, mailServer{Host: "localhost", Port: "1993", TLS: true}},
		{":143", cert, false, false, mailServer{Host: "127.0.0.1", Port: "143"}},
		{"0.0.0.0:143", cert, false, false, mailServer{Host: "127.0.0.1", Port: "143"}},
		{"[::]:143", cert, false, false, mailServer{Host: "::1", Port: "143"}},
		{"10.0.0.1:143", cert, false, false, mailServer{Host: "10.0.0.1", Port: "143", StartTLS: true}},
		{"10.0.0.1:143", open, false, false, mailServer{Host: "10.0.0.1", Port: "143"}},
		{"", cert, false, false, mailServer{}},
	} {
		if got := localServer(tt.address, tt.listen, tt.implicit, tt.wantTLS); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.address, got, tt.want)
		}
	}
}

func TestClientQuoting(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"sh", "ann@example.com", "ann@example.com"},
		{"sh", "o'brien", `'o'\''brien'`},
		{"sh", "a b", "'a b'"},
		{"mutt", "a\"b$c`d\\", "\"a\\\"b\\$c\\`d\\\\\""},
		{"ini", "50%", "50%%"},
		{"mbsync", "a b", `"a b"`},
	} {
		var got strings.Builder
		tmpl := template.Must(template.New("").Funcs(clientQuoting).Parse("{{" + tt.name + " .}}"))
		if err := tmpl.Execute(&got, tt.in); err != nil || got.String() != tt.want {
			t.Errorf("%s %q: got %s (%v), want %s", tt.name, tt.in, got.String(), err, tt.want)
		}
	}
	for email, want := range map[string]string{"ann@outlook.com": "ann-outlook", "o'brien+x@mail.example.com": "o-brien-x-mail"} {
		if got := (clientSettings{Email: email}).Section(); got != want {
			t.Errorf("section of %s: %s, want %s", email, got, want)
		}
	}
}
