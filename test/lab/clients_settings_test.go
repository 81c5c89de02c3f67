package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// settingsClient is a mail program that reads the inbox with what `postern client NAME` prints, and nothing
// else changed but that the password is filled in. The script runs in a home of its own, in which the file
// settings has them; what it leaves in the home, or prints, must have every subject of the inbox.
type settingsClient struct {
	name, program, pack string
	script              string
	dialogue            func(*testing.T, *terminal) // for those that have no other way than a terminal
	unseen              bool                        // it fetches what nobody has read yet
	only                int                         // it reads this many messages; 0 = all
	counts              bool                        // it only counts them
	decodes             bool                        // it keeps subjects in letters
}

const muttReads = `script -qefc "stty rows 40 cols 160; exec %s -n -F settings \
	-e 'set mbox_type=Maildir confirmappend=no confirmcreate=no quit=yes sleep_time=0 wait_key=no header_cache=\"\"' \
	-e 'push \"<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>$HOME/read<enter><quit>\"'" screen </dev/null >/dev/null; rm screen`

// maildirOwner runs a command as somebody else than root, to whom getmail delivers nothing.
const maildirOwner = `mkdir -p Mail/$SECTION/{cur,new,tmp}
	as=; if [ "$(id -u)" = 0 ]; then chown -R nobody:nogroup .; as="setpriv --reuid=nobody --regid=nogroup --clear-groups"; fi
	$as `

// getmailReads starts getmail anew when it does not end: getmail 6.18 can miss the end of its own delivering child, and then
// waits, with all messages received and that child gone.
const getmailReads = `for try in 1 2 3; do
	rm -rf Mail .config/getmail; mkdir -p .config/getmail; ` + maildirOwner + `timeout 30 getmail --rcfile=$HOME/settings --getmaildir=$HOME/.config/getmail && exit 0
	[ $? = 124 ] || exit 1
	done; exit 1`

var settingsClients = []settingsClient{
	{name: "mutt", program: "mutt", pack: "mutt", script: fmt.Sprintf(muttReads, "mutt")},
	{name: "neomutt", program: "neomutt", pack: "neomutt", script: fmt.Sprintf(muttReads, "neomutt")},
	{name: "mbsync", program: "mbsync", pack: "isync", script: `mkdir -p Mail/$SECTION; mbsync -c settings -a`},
	{name: "offlineimap", program: "offlineimap", pack: "offlineimap3", script: `offlineimap -c settings -o -u basic`},
	{name: "fetchmail", program: "fetchmail", pack: "fetchmail", script: `fetchmail -f settings --mda "cat >>$HOME/read"`, unseen: true},
	{name: "getmail", program: "getmail", pack: "getmail6", script: getmailReads},
	{name: "imapfilter", program: "imapfilter", pack: "imapfilter", script: `imapfilter -c settings`, counts: true},
	{name: "imaplib", program: "python3", pack: "python3", script: `python3 settings`},
	{name: "curl", program: "curl", pack: "curl", script: `sed -n '1,/^# send/p' settings >reads; sh -e reads`, only: 1},
	{name: "aerc", program: "aerc", pack: "aerc", script: `mkdir -p .config/aerc; cp settings .config/aerc/accounts.conf`, dialogue: aercReads},
	{name: "mpop", program: "mpop", pack: "mpop", script: `mkdir -p Mail/$SECTION/{cur,new,tmp}; mpop -C settings`},
	{name: "alpine", program: "alpine", pack: "alpine", dialogue: alpineReads},
}

// demo is a running "postern demo", and what it said about itself.
type demo struct {
	Address, User, Password string
	SMTP, POP3, Web         string
}

// startDemo starts the demo with every listener it has, each at a free port.
func startDemo(t *testing.T) demo {
	t.Helper()
	needPostern(t)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, postern, "demo", "--addr", "127.0.0.1:0", "--json")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	cmd.Stderr = new(output)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
	})
	var d demo
	if err := json.NewDecoder(stdout).Decode(&d); err != nil {
		t.Fatalf("postern demo: %v\n%s", err, cmd.Stderr)
	}
	return d
}

// program has the demo's addresses in its configuration, as a user's would have the daemon's.
func (d demo) program(t *testing.T) *program {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	toml := fmt.Sprintf("[listen]\nimap = %q\nsmtp = %q\npop3 = %q\nweb = \"\"\n[account.%q]\nprovider = \"outlook\"\nclient_id = \"none\"\n",
		d.Address, d.SMTP, d.POP3, d.User)
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	return &program{t: t, dir: dir}
}

func TestClientSettings(t *testing.T) {
	needPostern(t)
	for _, c := range settingsClients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.mustBeHere(t)
			d := startDemo(t)
			inbox := subjectsOf(t, d.Address, d.User, d.Password)
			text := strings.ReplaceAll(d.program(t).ok("client", c.name), "PASSWORD", d.Password)
			c.run(t, text, d.Password, inbox)
		})
	}
}

func (c settingsClient) mustBeHere(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(c.program); err == nil {
		return
	}
	text := c.program + " is not installed (package " + c.pack + "; test/lab/bed install)"
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip("SKIPPED:", text)
}

// subjectsOf reads the subjects past the client, as the header has them, and marks nothing as seen.
func subjectsOf(t *testing.T, addr, user, secret string) (subjects []string) {
	t.Helper()
	c := dial(t, addr)
	if status := c.login(user, secret); !strings.HasPrefix(status, "OK") {
		t.Fatalf("login: %s", status)
	}
	c.ok("EXAMINE INBOX")
	for _, r := range c.ok("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])") {
		if _, s, ok := strings.Cut(r, "Subject: "); ok {
			s, _, _ = strings.Cut(s, "\r\n")
			if strings.Contains(r, `\Seen`) {
				s = "(seen) " + s
			}
			subjects = append(subjects, s)
		}
	}
	if len(subjects) < 2 {
		t.Fatalf("the inbox has %q", subjects)
	}
	return subjects
}

// run lets the client read, in a new home, and checks that it got the inbox.
func (c settingsClient) run(t *testing.T, settings, secret string, inbox []string) {
	t.Helper()
	c.check(t, c.exec(t, settings, secret), inbox)
}

// exec runs the client and returns what it printed, showed and wrote.
func (c settingsClient) exec(t *testing.T, settings, secret string) string {
	t.Helper()
	home, err := os.MkdirTemp("", "lab") // short enough for a socket's name, and open to getmail's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := os.WriteFile(filepath.Join(home, "settings"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HOME=" + home, "PATH=" + filepath.Dir(postern) + ":" + os.Getenv("PATH"), "TERM=xterm", "LANG=C.UTF-8",
		"SECTION=" + sectionIn(settings)}
	printed := new(output)
	if c.script != "" {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "bash", "-euc", c.script)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = home, env, printed, printed, 10*time.Second
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s\nwith the settings\n%s", err, printed, strings.ReplaceAll(settings, secret, "PASSWORD"))
		}
	}
	if c.dialogue != nil {
		term := openTerminal(t, home, env)
		term.secret = secret
		c.dialogue(t, term)
		io.WriteString(printed, term.text())
	}
	return printed.String() + contents(t, home)
}

func (c settingsClient) check(t *testing.T, got string, inbox []string) {
	t.Helper()
	if c.counts {
		if want := fmt.Sprintf("%d messages", len(inbox)); !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
		return
	}
	got = strings.NewReplacer("\r\n ", " ", "\n ", " ").Replace(got) // some fold long headers anew
	compared := 0
	for i, subject := range inbox {
		subject, seen := strings.CutPrefix(subject, "(seen) ")
		if c.dialogue != nil || c.decodes {
			subject = inLetters(subject)
		}
		if subject == "" || seen && c.unseen || c.only > 0 && i >= c.only {
			continue
		}
		compared++
		if !strings.Contains(got, subject) {
			t.Errorf("it has not read %q:\n%.3000s", subject, got)
		}
	}
	if compared == 0 {
		t.Error("nothing to compare with")
	}
}

// inLetters is the part of a subject that a screen shows as it is.
func inLetters(subject string) string {
	if i := strings.LastIndex(subject, "?="); i >= 0 {
		subject = subject[i+2:]
	}
	return strings.TrimSpace(subject)
}

var section = regexp.MustCompile(`(?m)Mail/([a-z0-9-]+)`)

func sectionIn(settings string) string {
	if m := section.FindStringSubmatch(settings); m != nil {
		return m[1]
	}
	return "none"
}

// contents is all that the client has written into its home.
func contents(t *testing.T, home string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || filepath.Base(path) == "settings" {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return all.String()
}

// terminal is a program at a terminal, which "script" makes for it.
type terminal struct {
	t      *testing.T
	home   string
	env    []string
	keys   io.Writer
	screen *output
	secret string
	exited chan error
}

func openTerminal(t *testing.T, home string, env []string) *terminal {
	return &terminal{t: t, home: home, env: env, screen: new(output), exited: make(chan error, 1)}
}

func (term *terminal) start(command string) {
	term.t.Helper()
	cmd := exec.CommandContext(term.t.Context(), "script", "-qefc", "stty rows 40 cols 160; exec "+command, "/dev/null")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.WaitDelay = term.home, term.env, term.screen, 10*time.Second
	keys, err := cmd.StdinPipe()
	if err != nil {
		term.t.Fatal(err)
	}
	term.keys = keys
	if err := cmd.Start(); err != nil {
		term.t.Fatal(err)
	}
	go func() { term.exited <- cmd.Wait() }()
	term.t.Cleanup(func() {
		keys.Close()
		cmd.Process.Kill()
	})
}

var escapes = regexp.MustCompile(`\x1b(\[[0-9;?]*[A-Za-z]|\][^\x1b\x07]*(\x1b\\|\x07)|\([A-Z0-9]|[=>\\])|[\r\n\x0f]`)

// text is what was on the screen, all of it, with a space for each movement of the cursor.
func (term *terminal) text() string {
	return strings.Join(strings.Fields(escapes.ReplaceAllString(term.screen.String(), " ")), " ")
}

// await waits until the screen has shown a text and then types.
func (term *terminal) await(shown, typed string) {
	term.t.Helper()
	defer func() {
		if term.t.Failed() {
			term.t.Logf("the screen: %s", strings.ReplaceAll(term.text(), term.secret, "PASSWORD"))
		}
	}()
	eventually(term.t, patience, "the screen shows "+shown, func() bool { return strings.Contains(term.text(), shown) })
	if _, err := io.WriteString(term.keys, typed); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) end() {
	term.t.Helper()
	select {
	case <-term.exited:
	case <-time.After(patience):
		term.t.Fatalf("it does not end: %s", term.text())
	}
}

func aercReads(t *testing.T, term *terminal) {
	term.start("aerc")
	term.await("A line that begins with From and one with a dot", ":quit\r")
	term.end()
}

func alpineReads(t *testing.T, term *terminal) {
	term.start("alpine -p settings -i")
	term.await("This message will appear only once", "e")
	term.await("ENTER PASSWORD:", term.secret+"\r")
	term.await("Preserve password", "n")
	term.await("A line that begins with From and one with a dot", "q")
	term.await("Really quit", "y")
	term.end()
}
