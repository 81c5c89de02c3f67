package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// desk is a person's desk: terminals beside each other, in a home that was empty, each with a real screen,
// which tmux keeps. What the first shows is recorded with its times.
type desk struct {
	t       *testing.T
	home    string
	socket  string
	began   time.Time
	opened  []string
	current string
	cast    *output
}

const deskRows, deskColumns = 40, 110

// openDesk gives programs found in bin before all others.
func openDesk(t *testing.T, home, bin string) *desk {
	t.Helper()
	d := &desk{t: t, home: home, socket: filepath.Join(bin, "tmux"), began: time.Now(), cast: new(output)}
	fmt.Fprintf(d.cast, "{\"version\": 2, \"width\": %d, \"height\": %d}\n", deskColumns, deskRows)
	shell := []string{"env", "-i", "HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=screen", "'PS1=$ '",
		"BROWSED=" + filepath.Join(bin, "browsed"), "bash", "--noprofile", "--norc"}
	d.tmux("-f", "/dev/null", "start-server", ";", "set-option", "-g", "default-command", strings.Join(shell, " "), ";", "set-option", "-g", "remain-on-exit", "on",
		";", "new-session", "-d", "-s", "desk", "-n", "none", "-x", fmt.Sprint(deskColumns), "-y", fmt.Sprint(deskRows), "sleep 600")
	t.Cleanup(d.leave)
	return d
}

// leave ends what runs. A daemon would outlive its terminal: SIGHUP has it reload.
func (d *desk) leave() {
	for _, name := range d.opened {
		exec.Command("tmux", "-S", d.socket, "send-keys", "-t", "desk:"+name, "C-c").Run()
	}
	for range 100 {
		out, err := exec.Command("tmux", "-S", d.socket, "list-panes", "-a", "-F", "#{pane_current_command}").Output()
		if err != nil || !strings.Contains(string(out), "postern") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	exec.Command("tmux", "-S", d.socket, "kill-server").Run()
}

func (d *desk) tmux(args ...string) string {
	d.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", d.socket}, args...)...)
	cmd.Dir = d.home
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("tmux %s: %v\n%s", args[0], err, out)
	}
	return string(out)
}

// terminal goes to one, which is opened when it is new.
func (d *desk) terminal(name string) {
	d.t.Helper()
	d.current = "desk:" + name
	for _, known := range d.opened {
		if known == name {
			return
		}
	}
	d.tmux("new-window", "-d", "-t", "desk", "-n", name, "-c", d.home)
	d.opened = append(d.opened, name)
	if len(d.opened) == 1 {
		d.record()
	}
	d.prompt()
}

// record writes asciicast v2 (docs.asciinema.org/manual/asciicast/v2).
func (d *desk) record() {
	d.t.Helper()
	path := filepath.Join(filepath.Dir(d.socket), "recorded")
	if out, err := exec.Command("mkfifo", "-m", "600", path).CombinedOutput(); err != nil {
		d.t.Fatalf("mkfifo: %v: %s", err, out)
	}
	recorded, err := os.OpenFile(path, os.O_RDWR, 0) // for writing too, so that opening does not wait
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { recorded.Close() })
	go d.keepCast(recorded)
	d.tmux("pipe-pane", "-t", d.current, "exec cat >"+path)
}

func (d *desk) keepCast(from io.Reader) {
	buffer, kept := make([]byte, 1<<16), 0
	for {
		n, err := from.Read(buffer[kept:])
		if err != nil {
			return
		}
		whole := wholeLetters(buffer[:kept+n])
		event, _ := json.Marshal([]any{d.elapsed().Seconds(), "o", string(buffer[:whole])})
		fmt.Fprintf(d.cast, "%s\n", event)
		kept = copy(buffer, buffer[whole:kept+n])
	}
}

// wholeLetters is how much of b does not end within a letter.
func wholeLetters(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

func (d *desk) elapsed() time.Duration { return time.Since(d.began) }

// screen is what the person sees, and history all that went by before it too.
func (d *desk) screen() string {
	return strings.TrimRight(d.tmux("capture-pane", "-p", "-t", d.current), "\n ") + "\n"
}

func (d *desk) history() string {
	return d.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", d.current)
}

func (d *desk) see(text string) {
	d.t.Helper()
	defer func() {
		if d.t.Failed() {
			d.t.Logf("the screen:\n%s", d.screen())
		}
	}()
	eventually(d.t, patience, "the screen shows "+text, func() bool { return strings.Contains(d.history(), text) })
}

// prompt waits until the shell wants a command.
func (d *desk) prompt() {
	d.t.Helper()
	eventually(d.t, patience, "the shell asks for a command", func() bool {
		return strings.HasSuffix(strings.TrimRight(d.history(), "\n "), "\n$") || strings.TrimSpace(d.history()) == "$"
	})
}

func (d *desk) enter(text string) {
	d.t.Helper()
	d.write(text)
	d.key("Enter")
}

func (d *desk) write(text string) {
	d.t.Helper()
	d.tmux("send-keys", "-t", d.current, "-l", "--", text)
}
func (d *desk) key(name string) { d.t.Helper(); d.tmux("send-keys", "-t", d.current, name) }

// runs waits until the terminal is a program's. What the shell's own line editor still gets is no longer a line to end
// with Ctrl-D for the program after it, which then waits for ever.
func (d *desk) runs(program string) {
	d.t.Helper()
	eventually(d.t, patience, "the terminal is "+program+"'s", func() bool {
		return strings.TrimSpace(d.tmux("display-message", "-p", "-t", d.current, "#{pane_current_command}")) == program
	})
}

func (d *desk) paste(text string) {
	d.t.Helper()
	d.tmux("set-buffer", "--", text)
	d.tmux("paste-buffer", "-d", "-t", d.current)
}
