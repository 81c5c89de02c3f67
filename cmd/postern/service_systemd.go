package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	unitName    = "postern.service"
	systemState = "/var/lib/postern"
	packagedBin = "/usr/bin/postern" // as the shipped files call the program
)

// systemdUnit is a service under systemd, for one person or for the whole machine.
type systemdUnit struct {
	machine
	system bool
	unit   serviceFile
	wants  string // the link that makes it start by itself
}

// userUnit starts the daemon when the person logs in.
func userUnit(m machine, p program) (*service, error) {
	d := systemdUnit{machine: m}
	home := m.configHome
	if !filepath.IsAbs(home) {
		home = filepath.Join(m.home, ".config")
	}
	text, err := shipped("postern.service")
	if err != nil {
		return nil, err
	}
	parts := []string{packagedBin + " serve", unitWords(p.words("serve")), packagedBin + " reload", unitWords(p.words("reload"))}
	if p.state != "" {
		parts = append(parts, "%h/.local/state/postern", unitWord(p.state))
	}
	if text, err = fill(text, parts...); err != nil {
		return nil, err
	}
	dir := filepath.Join(home, "systemd", "user")
	d.unit = serviceFile{path: filepath.Join(dir, unitName), packaged: m.root + "/usr/lib/systemd/user/" + unitName, text: text, mode: 0o644}
	d.wants = filepath.Join(dir, "default.target.wants", unitName)
	v := d.service()
	v.kind, v.log = "systemd user unit", "journalctl --user -u postern"
	v.adjust = "; for single settings use systemctl --user edit postern"
	v.running = "Postern runs, and will whenever you log in"
	if !d.lingers() {
		v.after = append(v.after, d.lingerHint())
	}
	if tmp := filepath.Clean(os.TempDir()); strings.HasPrefix(p.path, tmp+"/") {
		v.after = append(v.after, fmt.Sprintf("but %s is in a directory for temporary files: move it, and install again", p.path))
	}
	return v, nil
}

// systemUnit starts the daemon with the machine, under a user of its own.
func systemUnit(m machine, p program) (*service, error) {
	for _, hidden := range []string{"/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"} {
		if strings.HasPrefix(p.path, hidden) {
			return nil, failed(fmt.Errorf("%s: the service can not see what is below %s", p.path, hidden), "put the program into /usr/local/bin, and call that")
		}
	}
	if i := slices.Index(p.flags, "--state"); i >= 0 {
		// POSTERN_STATE and XDG_STATE_HOME are the caller's; this service has a place of its own.
		p.flags = slices.Delete(slices.Clone(p.flags), i, i+2)
	}
	text, err := shipped("postern-system.service")
	if err != nil {
		return nil, err
	}
	text, err = fill(text, packagedBin+" serve", unitWords(p.words("serve")), packagedBin+" reload", unitWords(p.words("reload")))
	if err != nil {
		return nil, err
	}
	helper, err := shipped("postern-system")
	if err != nil {
		return nil, err
	}
	if helper, err = fill(helper, packagedBin, p.path); err != nil {
		return nil, err
	}
	d := systemdUnit{machine: m, system: true, wants: m.root + "/etc/systemd/system/multi-user.target.wants/" + unitName}
	d.unit = serviceFile{path: m.root + "/etc/systemd/system/" + unitName, packaged: m.root + "/usr/lib/systemd/system/" + unitName, text: text, mode: 0o644}
	v := d.service()
	v.files = append(v.files, serviceFile{path: m.root + "/usr/local/sbin/postern-system", packaged: m.root + "/usr/sbin/postern-system", text: helper, mode: 0o755})
	v.kind, v.log = "systemd system unit", "journalctl -u postern"
	v.adjust = "; for single settings use systemctl edit postern"
	v.running = "Postern runs, and will whenever this machine starts"
	v.after = []string{
		"its configuration is /etc/postern/config.toml, its state " + systemState + ", both apart from yours",
		"other commands go through postern-system: sudo postern-system account add EMAIL --client-id ID --flow device",
	}
	return v, nil
}

func (d systemdUnit) service() *service {
	v := &service{files: []serviceFile{d.unit}, start: d.start, lay: d.lay, stop: d.stop, removed: d.removed, state: d.state}
	if !d.booted() {
		v.absent = failed(errors.New("this system was not started by systemd (a container, or another init)"),
			`let what starts programs here run "postern serve"; to prepare an image that systemd will start, add --no-start`)
	}
	return v
}

// manager says whether there is one to talk to. The system's is: otherwise we were not here.
func (d systemdUnit) manager() bool {
	if !d.booted() {
		return false
	}
	_, err := os.Stat(filepath.Join(d.root+d.runtimeDir, "systemd", "private"))
	return d.system || err == nil
}

// managerConfigHome is where the manager looks for units. A shell may have another $XDG_CONFIG_HOME.
func (d systemdUnit) managerConfigHome(ctx context.Context, s *steps) string {
	out, err := d.ask(ctx, s, "show-environment")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(out) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "XDG_CONFIG_HOME="); ok {
			return strings.Trim(value, `$'"`)
		}
	}
	return ""
}

func (d systemdUnit) words(args []string) []string {
	if d.system {
		return args
	}
	return append([]string{"--user"}, args...)
}

func (d systemdUnit) ask(ctx context.Context, s *steps, args ...string) (string, error) {
	return s.exec(ctx, "systemctl", d.words(args)...)
}

func (d systemdUnit) run(ctx context.Context, s *steps, args ...string) error {
	return s.run(ctx, "systemctl", d.words(args)...)
}

func (d systemdUnit) start(ctx context.Context, s *steps) error {
	if !d.manager() {
		if err := d.lay(s); err != nil {
			return err
		}
		s.say("%s has no user manager now, because nobody with that name is logged in: the rest happens at the next login", d.user)
		return nil
	}
	for _, words := range [][]string{{"daemon-reload"}, {"enable", unitName}, {"restart", unitName}} {
		if err := d.run(ctx, s, words...); err != nil {
			return err
		}
	}
	return nil
}

// lay makes the link that "systemctl enable" makes, for a manager that does not run.
func (d systemdUnit) lay(s *steps) error {
	unit := strings.TrimPrefix(d.unit.there(), d.root)
	if target, err := os.Readlink(d.wants); err == nil && target == unit {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(d.wants), 0o755); err != nil {
		return err
	}
	if err := os.Remove(d.wants); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(unit, d.wants); err != nil {
		return err
	}
	s.say("linked %s to it, so that it starts by itself", d.wants)
	return nil
}

func (d systemdUnit) stop(ctx context.Context, s *steps) error {
	if d.manager() {
		return d.run(ctx, s, "disable", "--now", unitName)
	}
	if err := s.remove(d.wants); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d systemdUnit) removed(ctx context.Context, s *steps) error {
	if !d.manager() {
		return nil
	}
	return d.run(ctx, s, "daemon-reload")
}

func (d systemdUnit) state(ctx context.Context, s *steps) serviceState {
	var st serviceState
	if !d.manager() {
		_, err := os.Lstat(d.wants)
		st.Enabled, st.Detail = err == nil, d.user+" has no user manager now"
		if !d.booted() {
			st.Detail = "systemd does not run here"
		}
		return st
	}
	enabled, _ := d.ask(ctx, s, "is-enabled", unitName)
	st.Enabled = strings.HasPrefix(enabled, "enabled")
	detail, _ := d.ask(ctx, s, "is-active", unitName) // it fails when the answer is no
	st.Detail = strings.TrimSpace(detail)
	st.Active = st.Detail == "active"
	if !d.system && !d.lingers() {
		st.Note = d.lingerHint()
	}
	return st
}

// lingers says whether the person's manager runs without a login (loginctl(1)).
func (d systemdUnit) lingers() bool {
	_, err := os.Stat(d.root + "/var/lib/systemd/linger/" + d.user)
	return err == nil
}

func (d systemdUnit) lingerHint() string {
	return "to have it run from the start of the machine, without a login: sudo loginctl enable-linger " + d.user
}

// unitWord writes a word as unit files want it (systemd.syntax(7), systemd.unit(5) "Specifiers"). Quotes and
// backslashes have been refused before.
func unitWord(word string) string {
	word = strings.ReplaceAll(word, "%", "%%")
	if strings.ContainsAny(word, " ;#") {
		return `"` + word + `"`
	}
	return word
}

func unitWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = unitWord(w)
	}
	return strings.Join(quoted, " ")
}
