package emulator

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestParseCommand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]command{
		"a NOOP\r\n":                      {"a", "NOOP", ""},
		"1.85 capability\n":               {"1.85", "CAPABILITY", ""},
		"IDLE IDLE\r\n":                   {"IDLE", "IDLE", ""},
		"x LOGIN a b\r\n":                 {"x", "LOGIN", "a b"},
		"x uid fetch 1 FLAGS\r\n":         {"x", "UID FETCH", "1 FLAGS"},
		"x AUTHENTICATE XOAUTH2 dXNl==":   {"x", "AUTHENTICATE", "XOAUTH2 dXNl=="},
		"]A NOOP":                         {"]A", "NOOP", ""},
		strings.Repeat("t", 64) + " NOOP": {strings.Repeat("t", 64), "NOOP", ""},
	} {
		if got, ok := parseCommand([]byte(line)); !ok || got != want {
			t.Errorf("%q: got %+v, %v", line, got, ok)
		}
	}
	for line, tag := range map[string]string{
		"\r\n":                            "*",
		"a\r\n":                           "a",
		"a \r\n":                          "a",
		"+ NOOP":                          "*",
		"a+b NOOP":                        "*",
		" NOOP":                           "*",
		"a  NOOP":                         "a",
		"a NO\x00OP":                      "a",
		"a\x00 NOOP":                      "*",
		"\x16\x03\x01 NOOP":               "*",
		"é NOOP":                          "*",
		strings.Repeat("t", 65) + " NOOP": "*",
	} {
		if got, ok := parseCommand([]byte(line)); ok || got.tag != tag {
			t.Errorf("%q: got %+v, %v", line, got, ok)
		}
	}
}

func TestLiteralAt(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		size  int64
		waits bool
		ok    bool
	}{
		"a LOGIN {3}\r\n":              {3, true, true},
		"a LOGIN {3+}\r\n":             {3, false, true},
		"{0}\n":                        {0, true, true},
		"a LOGIN {}\r\n":               {},
		"a LOGIN {+}\r\n":              {},
		"a LOGIN {-1}\r\n":             {},
		"a LOGIN {+1}\r\n":             {},
		"a LOGIN {3} \r\n":             {},
		"a LOGIN 3}\r\n":               {},
		"a {99999999999999999999}\r\n": {},
		"a LOGIN {3++}\r\n":            {},
		"":                             {},
	} {
		size, waits, ok := literalAt([]byte(line))
		if size != want.size || ok != want.ok || ok && waits != want.waits {
			t.Errorf("%q: got %d %v %v", line, size, waits, ok)
		}
	}
}

func TestParseSASL(t *testing.T) {
	t.Parallel()
	// Microsoft's and RFC 7628's forms, recomputed for a test identity.
	const (
		xo = "dXNlcj1hZGFAZXhhbXBsZS5jb20BYXV0aD1CZWFyZXIgRXdURVNULnRva2VuLTEyMwEB"
		ob = "bixhPWFkYUBleGFtcGxlLmNvbSwBaG9zdD1pbWFwLmV4YW1wbGUuY29tAXBvcnQ9OTkzAWF1dGg9QmVhcmVyIEV3VEVTVC50b2tlbi0xMjMBAQ=="
	)
	if user, token, ok := parseXOAUTH2(xo); !ok || user != "ada@example.com" || token != "EwTEST.token-123" {
		t.Error("XOAUTH2:", user, token, ok)
	}
	if user, token, ok := parseOAUTHBEARER(ob); !ok || user != "ada@example.com" || token != "EwTEST.token-123" {
		t.Error("OAUTHBEARER:", user, token, ok)
	}
	for _, bad := range []string{"", "=", "!", "dXNlcj1h", ob} {
		if _, _, ok := parseXOAUTH2(bad); ok {
			t.Errorf("XOAUTH2 took %q", bad)
		}
	}
	for _, bad := range []string{"", "=", "!", "bixhPWE=", xo} {
		if _, _, ok := parseOAUTHBEARER(bad); ok {
			t.Errorf("OAUTHBEARER took %q", bad)
		}
	}
}

// FuzzFrontLine feeds the front's parser what a client could send before its login. It must end, keep to its limits,
// and never take a byte of the next command for its own.
func FuzzFrontLine(f *testing.F) {
	for _, seed := range []string{
		"a CAPABILITY\r\n", "1.85 ID (\"name\" {3}\r\nabc)\r\n", "a LOGIN {3+}\r\nann {2+}\r\npw\r\nb NOOP\r\n",
		"a AUTHENTICATE XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHgBAQ==\r\n", "GET / HTTP/1.1\r\n", "\r\n", "a LOGIN {99999}\r\n",
		"a LOGIN {0}\r\n {1+}\r\n\r\n", "* OK\n", "\x16\x03\x01\x02\x00", strings.Repeat("x", 5000) + "\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const mark = "\r\nMARK NOOP\r\n"
		br := bufio.NewReaderSize(bytes.NewReader(append(bytes.Clone(in), mark...)), 64)
		for {
			line, err := readLine(br, maxFrontLine)
			if err != nil {
				return
			}
			if bytes.IndexByte(line, '\n') != len(line)-1 {
				t.Fatalf("not one line: %q", line)
			}
			cmd, ok := parseCommand(line)
			if cmd.tag == "" || strings.ContainsAny(cmd.tag, "\r\n \x00") {
				t.Fatalf("tag %q of %q", cmd.tag, line)
			}
			if ok && cmd.tag == "MARK" && cmd.name == "NOOP" {
				return
			}
			if !ok {
				continue
			}
			if strings.ToUpper(cmd.name) != cmd.name {
				t.Fatalf("name %q of %q", cmd.name, line)
			}
			_, response, _ := strings.Cut(cmd.args, " ")
			parseXOAUTH2(response)
			parseOAUTHBEARER(response)
			asked := 0
			if err := readArguments(br, line, func() { asked++ }); err != nil {
				return
			}
			if _, waits, ok := literalAt(line); ok && waits && asked == 0 {
				t.Fatalf("no go-ahead for %q", line)
			}
		}
	})
}

func TestSkipArguments(t *testing.T) {
	t.Parallel()
	for in, left := range map[string]string{
		"a APPEND x {3}\r\nb NOOP\r\n":                 "b NOOP\r\n", // refused before the go-ahead: nothing comes
		"a APPEND x {3+}\r\nabc\r\nb NOOP\r\n":         "b NOOP\r\n",
		"a LOGIN {3+}\r\nann {2+}\r\npw\r\nb NOOP\r\n": "b NOOP\r\n",
		"a LOGIN {3+}\r\nann {2}\r\nb NOOP\r\n":        "b NOOP\r\n",
		"a NOOP\r\nb NOOP\r\n":                         "b NOOP\r\n",
	} {
		br := bufio.NewReader(strings.NewReader(in))
		line, err := readLine(br, maxFrontLine)
		if err != nil {
			t.Fatal(err)
		}
		if err := skipArguments(br, line); err != nil {
			t.Error(err)
		}
		if rest, _ := io.ReadAll(br); string(rest) != left {
			t.Errorf("%q: left %q", in, rest)
		}
	}
}
