package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/config"
	"postern/internal/emulator"
)

func TestMain(m *testing.M) {
	testscript.Main(withBuild{m}, map[string]func(){
		"postern":  func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"xdg-open": playBrowser,
	})
}

// TestScripts types commands as a user does, each script in an empty home of its own. Besides testscript's
// own commands there are:
//
//	exits CODE postern ARGS…  the command ends with exactly that code; "0,1" = with one of them
//	outlook                   starts the stand-in and writes config.toml for it
//	signin EMAIL [AS]         postern login --no-browser, with the stand-in playing AS at the browser
//	browser AS                makes the system's browser one in which AS sits
//	daemon [ARGS…]            starts postern ARGS… serve, waits until it listens, sets $IMAP, $WEB, and $SMTP and $POP3 if they are on
//	hangup                    SIGHUP to the daemon; waits until it has reloaded
//	finish                    SIGTERM to the daemon; its output goes to daemon.log; must exit 0
//	kill                      SIGKILL to the daemon
//	imap SEND EXPECT …        a new connection to $IMAP: each SEND is answered by a line that begins with EXPECT
//	hold NAME SEND EXPECT …   the same, and the connection stays; more of it with the same NAME
//	gone NAME EXPECT          the held connection brings this line, and ends
//	smtp SEND EXPECT …        the same as imap, at $SMTP and $POP3
//	pop3 SEND EXPECT …
//	logged PATTERN            waits until the daemon's log has a match
//	listen NAME               takes a free port and sets $NAME
//	upstream FAULT            makes the stand-in fail: revoke, expire, …
//	readpw FILE               sets $PW to the file's first line, and $PLAIN to ann's SASL PLAIN message with it
//	app DAYS                  before outlook: registers an app with the certificate app.pem and app.key, good for so long
//	firstfail WHAT            in stdout, the first line that fails is that of WHAT
//	truncate FILE             cuts the file in half
//	replace FILE OLD NEW      in the file's text
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			e.Setenv("XDG_CONFIG_HOME", "")
			e.Setenv("XDG_STATE_HOME", "")
			e.Setenv("POSTERN_STATE", filepath.Join(e.WorkDir, "state"))
			e.Values[worldKey{}] = &world{}
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "outlook": cmdOutlook, "signin": cmdSignIn, "browser": cmdBrowser, "daemon": cmdDaemon,
			"readpw": cmdReadPassword, "truncate": cmdTruncate, "replace": cmdReplace,
			"hangup": cmdHangup, "finish": cmdFinish, "kill": cmdKill, "imap": cmdIMAP, "smtp": cmdSMTP, "pop3": cmdPOP3, "listen": cmdListen, "upstream": cmdUpstream,
			"logged": cmdLogged, "hold": cmdHold, "gone": cmdGone, "app": cmdApp, "firstfail": cmdFirstFail,
		},
	})
}

// world is what one script has running.
type world struct {
	apps    []emulator.Client
	outlook *emulator.Emulator
	daemon  *exec.Cmd
	log     *os.File
	said    chan struct{} // closed when all that the daemon says is in log
	held    map[string]*mailClient
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if !slices.Contains(strings.Split(args[0], ","), strconv.Itoa(got)) {
		ts.Fatalf("%s: exit code %d, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

func cmdOutlook(ts *testscript.TestScript, neg bool, args []string) {
	users := []emulator.User{
		{Address: "ann@example.com", Password: "web-password", Name: "Ann", Mail: emulator.SampleMail()},
		{Address: "bob@example.com", Password: "web-password", Name: "Bob", Mail: emulator.SampleMail()},
	}
	e, err := emulator.Start(emulator.Options{Users: users, Clients: append(worldOf(ts).apps, emulator.Client{ID: emulator.SampleClientID})})
	ts.Check(err)
	ts.Defer(func() { e.Close() })
	worldOf(ts).outlook = e
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), e.CAPEM(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("config.toml"), []byte(fmt.Sprintf(`[listen]
imap = "127.0.0.1:0"
smtp = "127.0.0.1:0"
pop3 = "127.0.0.1:0"
web = "127.0.0.1:0"
[provider.lab]
authorize_url = %q
token_url = %q
device_url = %q
scopes = [%q, %q, %q, "offline_access"]
imap = %q
smtp = %q
pop3 = %q
ca_file = "ca.pem"
[account."ann@example.com"]
provider = "lab"
client_id = %q
`, e.Identity.AuthorizeURL("common"), e.Identity.TokenURL("common"), e.Identity.DeviceURL("common"),
		emulator.ScopeIMAP, emulator.ScopePOP, emulator.ScopeSMTP, e.IMAP.Addr(), e.SMTP.Addr(), e.POP3.Addr(), emulator.SampleClientID)), 0o600))
	ts.Setenv("POSTERN_CONFIG", ts.MkAbs("config.toml"))
}

var aURL = regexp.MustCompile(`https?://\S+`)

// cmdSignIn reads the address that login prints, as a person copies it, and goes there.
func cmdSignIn(ts *testscript.TestScript, neg bool, args []string) {
	as := args[len(args)-1]
	cmd := process(ts, "login", args[0], "--no-browser")
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	var all strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(&all, lines.Text())
		if u := aURL.FindString(lines.Text()); strings.Contains(u, "/authorize?") {
			ts.Check(visit(worldOf(ts).outlook, u, as))
		}
	}
	err = cmd.Wait()
	ts.Logf("%s", all.String())
	if err != nil != neg {
		ts.Fatalf("login: %v\n%s", err, all.String())
	}
}

func visit(e *emulator.Emulator, authorize, as string) error {
	person := emulator.Person{Address: as}
	if as == "nobody" {
		person = emulator.Person{Address: "ann@example.com", Cancel: true}
	}
	last, err := e.Identity.Visit(context.Background(), authorize, person)
	if err != nil {
		return err
	}
	res, err := http.Get(last.String())
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// process is a postern process in the script's world.
func process(ts *testscript.TestScript, args ...string) *exec.Cmd {
	path, err := exec.LookPath("postern")
	if err != nil {
		path = filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "postern")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "POSTERN_STATE", "POSTERN_CONFIG", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

var ready = regexp.MustCompile(`msg="listener ready".*proto=(\w+).*address=(\S+)`)

func cmdDaemon(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	cmd := process(ts, append(args, "--log-level", "debug", "serve")...)
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	w.log, err = os.Create(ts.MkAbs("daemon.log"))
	ts.Check(err)
	ts.Check(cmd.Start())
	w.daemon = cmd
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	found, said := make(chan []string, 10), make(chan struct{})
	w.said = said
	go func() {
		defer close(said)
		lines := bufio.NewScanner(io.TeeReader(stderr, w.log))
		for lines.Scan() {
			if m := ready.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m:
				default: // a reload's, for which nobody waits
				}
			}
		}
		close(found)
	}()
	for range listenersOf(ts) {
		select {
		case m, ok := <-found:
			if !ok {
				ts.Fatalf("the daemon ended:\n%s", ts.ReadFile("daemon.log"))
			}
			ts.Setenv(strings.ToUpper(m[1]), m[2])
		case <-time.After(20 * time.Second):
			ts.Fatalf("the daemon does not listen:\n%s", ts.ReadFile("daemon.log"))
		}
	}
}

// listenersOf is how many the script's configuration asks for.
func listenersOf(ts *testscript.TestScript) int {
	cfg, err := config.Load(ts.Getenv("POSTERN_CONFIG"), builtInProviders())
	ts.Check(err)
	return len(wantedListeners(cfg.Listen))
}

func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	before := strings.Count(ts.ReadFile("daemon.log"), "configuration reloaded")
	ts.Check(worldOf(ts).daemon.Process.Signal(syscall.SIGHUP))
	for range 500 {
		if strings.Count(ts.ReadFile("daemon.log"), "configuration reloaded") > before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("the daemon did not reload:\n%s", ts.ReadFile("daemon.log"))
}

func cmdFinish(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	ts.Check(w.daemon.Process.Signal(syscall.SIGTERM))
	<-w.said // before Wait, which closes the pipe
	if err := w.daemon.Wait(); err != nil {
		ts.Fatalf("the daemon ended with %v:\n%s", err, ts.ReadFile("daemon.log"))
	}
}

// cmdLogged waits until the daemon's log has a match.
func cmdLogged(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(time.Minute); !want.MatchString(ts.ReadFile("daemon.log")); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("not in the log within a minute: %s", args[0])
		}
	}
}

func cmdKill(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	ts.Check(w.daemon.Process.Kill())
	w.daemon.Wait()
}

func cmdListen(ts *testscript.TestScript, neg bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
	ts.Setenv(args[0], ln.Addr().String())
}

func cmdReadPassword(ts *testscript.TestScript, neg bool, args []string) {
	line, _, _ := strings.Cut(ts.ReadFile(args[0]), "\n")
	if line == "" {
		ts.Fatalf("%s has no password", args[0])
	}
	ts.Setenv("PW", line)
	ts.Setenv("PLAIN", base64.StdEncoding.EncodeToString([]byte("\x00ann@example.com\x00"+line)))
}

func cmdTruncate(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text[:len(text)/2]), 0o600))
}

func cmdReplace(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}

func cmdUpstream(ts *testscript.TestScript, neg bool, args []string) {
	e := worldOf(ts).outlook
	switch args[0] {
	case "revoke-user":
		e.Identity.RevokeUser("ann@example.com")
	case "revoke-access":
		e.Identity.RevokeAccess("ann@example.com")
	case "short-tokens":
		e.Identity.Configure(func(p *emulator.Policy) { p.AccessLife = time.Second })
	case "long-tokens":
		e.Identity.Configure(func(p *emulator.Policy) { p.AccessLife = time.Hour })
	case "token-503":
		e.Identity.Fail(emulator.Token, -1, emulator.Status(503))
	case "grant-app":
		e.IMAP.Grant(appID, "bob@example.com")
	case "imap-off":
		e.IMAP.Disable("ann@example.com", true)
	case "smtp-off":
		e.SMTP.Disable("ann@example.com", true)
	case "sent":
		if got := strconv.Itoa(len(e.SMTP.Messages())); got != args[1] {
			ts.Fatalf("%s messages were sent, want %s", got, args[1])
		}
	case "healthy":
		e.Identity.ClearFaults()
		e.IMAP.ClearFaults()
		e.IMAP.Disable("ann@example.com", false)
		e.SMTP.Disable("ann@example.com", false)
	case "received-no":
		for _, b := range slices.Concat(e.IMAP.Received(), e.SMTP.Received(), e.POP3.Received()) {
			if strings.Contains(string(b), args[1]) {
				ts.Fatalf("the upstream received %q", args[1])
			}
		}
	case "token-requests":
		if got := strconv.Itoa(e.Identity.Count(emulator.Token)); got != args[1] {
			ts.Fatalf("%s token requests, want %s", got, args[1])
		}
	default:
		ts.Fatalf("no such fault %q", args[0])
	}
}
