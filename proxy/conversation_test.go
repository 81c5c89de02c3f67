package proxy

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestConversations plays the files in testdata. "C:" is what the client sends, "S:" what it must get,
// "U<" what the upstream must get, "U>" what it sends, "U*" that it starts TLS. A "*" at the end of an
// expected line stands for any rest.
func TestConversations(t *testing.T) {
	for _, protocol := range []Protocol{IMAP(), SMTP(), POP3()} {
		files, err := filepath.Glob("testdata/" + protocol.name() + "/*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatalf("no conversations for %s (%v)", protocol.name(), err)
		}
		for _, file := range files {
			t.Run(protocol.name()+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				t.Parallel()
				a, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				play(t, protocol, string(a.Files[0].Data))
			})
		}
	}
}

func play(t *testing.T, protocol Protocol, script string) {
	p := newProxyFor(t, protocol)
	c := p.dial(t)
	var up *upstreamConn
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) < 2 {
			continue
		}
		if strings.HasPrefix(line, "U") && up == nil {
			up = <-p.upstream.conns
		}
		switch text := strings.TrimPrefix(line[2:], " "); line[:2] {
		case "C:":
			c.send(text + "\r\n")
		case "U>":
			up.send(text)
		case "U*":
			up.startTLS(t)
		case "S:":
			match(t, "client", c.line(), text)
		case "U<":
			match(t, "upstream", up.line(t), text)
		default:
			t.Fatalf("line %q is nobody's", line)
		}
	}
}

func match(t *testing.T, who, got, want string) {
	t.Helper()
	if prefix, ok := strings.CutSuffix(want, "*"); ok && strings.HasPrefix(got, prefix) {
		return
	}
	if got != want {
		t.Fatalf("%s got  %q\nwant %q", who, got, want)
	}
}
