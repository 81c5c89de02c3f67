package lab

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"postern/internal/emulator"
)

const (
	firstRunUser     = "ann@outlook.com"
	firstRunPassword = "web-password" // at the provider's page
)

// TestFirstRun plays the scripts in first-run: from an empty home to mail on the screen of mutt, by README
// alone. What is not README's is said in the transcript.
func TestFirstRun(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/first-run.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"setup", "by-hand"} { // not at once: both want the usual port
		t.Run(name, func(t *testing.T) {
			r := startFirstRun(t)
			r.play(name)
			for _, command := range r.commands {
				told := strings.ReplaceAll(command, emulator.SampleClientID, "YOUR-CLIENT-ID")
				told, _, _ = strings.Cut(told, " >")
				if strings.HasPrefix(told, "postern ") && !strings.Contains(string(readme), told) {
					t.Errorf("README does not say %q", told)
				}
			}
			r.keep(name)
			if row := r.counted(name); !strings.Contains(string(page), row) {
				t.Errorf("docs/first-run.md does not have the row\n%s", row)
			}
		})
	}
}

// firstRun is one person's first hour, or what is left of it.
type firstRun struct {
	*desk
	t          *testing.T
	browser    *chromium
	browsed    string // the file with the address that the browser was given
	own        string // the configuration that is not README's
	copied     string
	transcript strings.Builder

	commands           []string
	questions, letters int           // typed
	waited             time.Duration // for the machine
}

func startFirstRun(t *testing.T) *firstRun {
	t.Helper()
	needPostern(t)
	bin, err := os.MkdirTemp("", "lab") // short enough for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(bin) })
	home := filepath.Join(bin, "ann")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(postern, filepath.Join(bin, "postern")); err != nil {
		t.Fatal(err)
	}
	opens := "#!/bin/sh\nprintf '%s\\n' \"$1\" >\"$BROWSED.new\" && mv \"$BROWSED.new\" \"$BROWSED\"\n"
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(opens), 0o700); err != nil {
		t.Fatal(err)
	}
	r := &firstRun{t: t, browser: startChromium(t), browsed: filepath.Join(bin, "browsed"), own: leadToStandIn(t, home)}
	r.browser.do(security.SetIgnoreCertificateErrors(true)) // the stand-in's authority is known to Postern only
	r.desk = openDesk(t, home, bin)
	return r
}

// leadToStandIn starts one and writes the configuration that has the built-in provider's servers there.
func leadToStandIn(t *testing.T, home string) string {
	t.Helper()
	e, err := emulator.Start(emulator.Options{Users: []emulator.User{{Address: firstRunUser, Password: firstRunPassword, Name: "Ann", Mail: emulator.SampleMail()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	dir := filepath.Join(home, ".config", "postern")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	id := e.Identity
	toml := fmt.Sprintf("[provider.outlook]\nauthorize_url = %q\ntoken_url = %q\ndevice_url = %q\nimap = %q\nca_file = \"ca.pem\"\n",
		id.AuthorizeURL("{tenant}"), id.TokenURL("{tenant}"), id.DeviceURL("{tenant}"), e.IMAP.Addr())
	toml += otherPorts(t)
	for name, content := range map[string][]byte{"config.toml": []byte(toml), "ca.pem": e.CAPEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return toml
}

// otherPorts is empty where Postern's usual ones are free.
func otherPorts(t *testing.T) (toml string) {
	t.Helper()
	for key, usual := range map[string]string{"imap": "127.0.0.1:1143", "web": "127.0.0.1:1180"} {
		if ln, err := net.Listen("tcp", usual); err == nil {
			ln.Close()
			continue
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		toml += fmt.Sprintf("%s = %q\n", key, ln.Addr())
	}
	if toml != "" {
		toml = "[listen]\n" + toml
	}
	return toml
}

func (r *firstRun) play(name string) {
	r.t.Helper()
	script, err := os.ReadFile(filepath.Join("first-run", name))
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(script)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		first, second, _ := strings.Cut(rest+" ", " | ")
		began := time.Now()
		r.do(verb, rest, strings.TrimSpace(first), strings.TrimSpace(second))
		r.waited += time.Since(began)
		if r.t.Failed() {
			r.t.Fatal("at:", line)
		}
	}
}

// do is one line of a script.
func (r *firstRun) do(verb, rest, first, second string) {
	r.t.Helper()
	switch verb {
	case "terminal":
		r.terminal(rest)
		r.say("goes to the terminal %q", rest)
	case "$":
		r.prompt()
		r.commands = append(r.commands, rest)
		r.letters += utf8.RuneCountInString(rest) + 1
		r.say("types $ %s", rest)
		r.enter(rest)
	case "ask":
		r.see(first)
		r.questions++
		r.letters += utf8.RuneCountInString(second) + 1
		r.say("is asked %q and types %s", first, second)
		r.enter(second)
	case "type":
		r.letters += utf8.RuneCountInString(rest)
		r.say("types %s", rest)
		r.write(rest)
	case "see":
		r.see(rest)
		r.say("sees %q", rest)
	case "runs":
		r.runs(rest)
	case "browser":
		r.signIn()
	case "copy":
		r.copied = between(r.t, r.history(), first, second)
	case "paste":
		r.say("pastes %d lines", max(1, strings.Count(r.copied, "\n")))
		r.paste(r.copied)
	case "key":
		r.letters++
		r.say("presses %s", rest)
		r.key(rest)
	case "shot":
		r.say("has on the screen:\n\n%s", indented(r.screen()))
	default:
		r.t.Fatalf("no such line: %s", verb)
	}
}

// signIn is the part in the browser, which Postern has opened.
func (r *firstRun) signIn() {
	r.t.Helper()
	var link []byte
	eventually(r.t, patience, "the browser is opened", func() (done bool) {
		var err error
		link, err = os.ReadFile(r.browsed)
		return err == nil
	})
	c := r.browser
	c.open(strings.TrimSpace(string(link)))
	var address string
	c.do(chromedp.Value(`input[name="login"]`, &address, chromedp.ByQuery))
	if address != firstRunUser {
		r.t.Errorf("the page has the address %q filled in", address)
	}
	c.picture("first-run-provider", looks[0])
	c.do(chromedp.SendKeys(`input[name="passwd"]`, firstRunPassword, chromedp.ByQuery))
	r.letters += utf8.RuneCountInString(firstRunPassword)
	c.submit(`button[name="signin"]`)
	c.submit(`button[name="accept"]`)
	c.see("is signed in")
	c.picture("first-run-signed-in", looks[0])
	r.say("signs in in the browser: the password, Sign in, Accept; the page says %q", strings.Join(strings.Fields(c.text()), " "))
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	var found []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")
		if len(found) > 0 || regexp.MustCompile(from).MatchString(line) {
			found = append(found, line)
			if !regexp.MustCompile(to).MatchString(line) {
				continue
			}
			if len(found) > 1 {
				found = append(found, "") // a block is copied with its last line's end
			}
			return strings.Join(found, "\n")
		}
	}
	t.Fatalf("the screen has no lines from %q to %q", from, to)
	return ""
}

var emptyScreen = regexp.MustCompile(`\n{4,}`)

// indented is a screen without most of what is empty on it.
func indented(text string) string {
	text = emptyScreen.ReplaceAllString(strings.TrimRight(text, "\n"), "\n\n[…]\n\n")
	return "    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
}

// say adds a line to the transcript, which has no path of this machine's.
func (r *firstRun) say(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), r.home, "/home/ann")
	fmt.Fprintf(&r.transcript, "%5.1f s  %s\n", r.elapsed().Seconds(), text)
}

// counted is the run's row in docs/first-run.md, as far as it is the same each time.
func (r *firstRun) counted(name string) string {
	return fmt.Sprintf("| %s | %d | %d | %d |", name, len(r.commands), r.questions, r.letters)
}

// keep tells what was counted, and leaves the recording where the pictures go.
func (r *firstRun) keep(name string) {
	r.t.Helper()
	r.t.Logf("%s: %d commands, %d questions, %d keys, %.1f s", name, len(r.commands), r.questions, r.letters, r.waited.Seconds())
	dir := os.Getenv("LAB_PICTURES")
	if dir == "" {
		return
	}
	text := "Not README's: ~/.config/postern/config.toml, which leads the provider \"outlook\" to the stand-in:\n\n" + indented(r.own) + "\n" + r.transcript.String()
	for file, content := range map[string]string{name + ".txt": text, name + ".cast": strings.ReplaceAll(r.cast.String(), r.home, "/home/ann")} {
		if err := os.WriteFile(filepath.Join(dir, "first-run-"+file), []byte(content), 0o600); err != nil {
			r.t.Error(err)
		}
	}
}
