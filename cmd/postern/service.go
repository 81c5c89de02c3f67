package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"

	"postern/internal/control"
)

func serviceFlags(f *flag.FlagSet, o *options) {
	f.BoolVar(&o.system, "system", false, "for the whole machine, under a user of its own (systemd, as root)")
}

func serviceInstallFlags(f *flag.FlagSet, o *options) {
	serviceFlags(f, o)
	f.BoolVar(&o.force, "force", false, "replace a file that was changed by hand; yours is kept as *.old")
	f.BoolVar(&o.noStart, "no-start", false, "only lay the files down, for an image or a container that is started later")
}

func serviceUninstallFlags(f *flag.FlagSet, o *options) {
	serviceFlags(f, o)
	f.BoolVar(&o.force, "force", false, "remove a file that was changed by hand; yours is kept as *.old")
}

// service is how one kind of system starts the daemon by itself.
type service struct {
	kind    string        // for people
	files   []serviceFile // what it needs; the first is what the system reads
	adjust  string        // how to change a setting so that an update does not undo it
	log     string        // the command that shows what the daemon says, or what is wrong
	running string        // what a success means
	after   []string      // what else there is to know or to do
	absent  error         // why nothing can be started here

	start   func(context.Context, *steps) error // makes the system know the file, and the daemon run
	lay     func(*steps) error                  // makes a system that is not running know it
	stop    func(context.Context, *steps) error // the reverse of start
	removed func(context.Context, *steps) error // after the files are gone
	state   func(context.Context, *steps) serviceState
}

// serviceState is what a system says about the service.
type serviceState struct {
	Enabled bool   `json:"enabled"` // it starts by itself
	Active  bool   `json:"active"`
	Detail  string `json:"detail"` // in the system's own words
	Note    string `json:"note,omitempty"`
}

// service is the one that fits this system, or says why there is none.
func (a *app) service(ctx context.Context, s *steps, args []string) (*service, error) {
	if err := noArguments(args); err != nil {
		return nil, err
	}
	p, err := a.daemonCommand()
	if err != nil {
		return nil, err
	}
	return serviceOf(ctx, runtime.GOOS, thisMachine(), p, s, a.o)
}

func serviceOf(ctx context.Context, system string, m machine, p program, s *steps, o *options) (*service, error) {
	if o.system && system != "linux" {
		return nil, usageError("leave --system away: it starts when you log in", "--system is for Linux with systemd")
	}
	switch system {
	case "darwin":
		return launchAgent(m, p)
	case "windows":
		return scheduledTask(m, p)
	}
	if o.system {
		if m.uid != 0 {
			return nil, failed(errors.New("only root can install or remove a service of the whole machine"), "the same with sudo, or for yourself without --system")
		}
		return systemUnit(m, p)
	}
	if m.sudo {
		return nil, failed(errors.New("this would start Postern for root, because of sudo"),
			"for yourself leave sudo away; for the whole machine add --system")
	}
	if d := (systemdUnit{machine: m}); d.manager() && !o.noStart {
		m.configHome = d.managerConfigHome(ctx, s)
	}
	return userUnit(m, p)
}

func runServiceInstall(ctx context.Context, a *app, args []string) error {
	s := a.steps()
	v, err := a.service(ctx, s, args)
	if err != nil {
		return err
	}
	return v.install(ctx, s, a.o)
}

func (v *service) install(ctx context.Context, s *steps, o *options) error {
	if v.absent != nil && !o.noStart {
		return v.absent
	}
	if err := v.writable(o.force); err != nil {
		return err
	}
	if !o.noStart && s.answers(ctx) && !v.state(ctx, s).Active {
		return failed(errors.New("a postern serve runs already, and not as a service"), "stop it first (Ctrl-C where it runs)")
	}
	for _, f := range v.files {
		if err := f.write(s); err != nil {
			return failed(err, "nothing was started")
		}
	}
	if o.noStart {
		if v.lay != nil {
			if err := v.lay(s); err != nil {
				return failed(err, "")
			}
		}
		s.say("nothing was started, because of --no-start")
		return nil
	}
	if err := v.start(ctx, s); err != nil {
		return failed(err, `"`+v.log+`" shows why; "postern service uninstall" takes everything back`)
	}
	if v.state(ctx, s).Active {
		s.say("%s", v.running)
	}
	for _, line := range v.after {
		s.say("%s", line)
	}
	return nil
}

func runServiceUninstall(ctx context.Context, a *app, args []string) error {
	s := a.steps()
	v, err := a.service(ctx, s, args)
	if err != nil {
		return err
	}
	return v.uninstall(ctx, s, a.o)
}

func (v *service) uninstall(ctx context.Context, s *steps, o *options) error {
	if err := v.writable(o.force); err != nil {
		return err
	}
	if !v.installed() {
		s.say("there is no %s of Postern", v.kind)
		return nil
	}
	if err := v.stop(ctx, s); err != nil {
		return failed(err, "no file was removed")
	}
	for _, f := range v.files {
		if err := f.remove(s); err != nil {
			return failed(err, "")
		}
	}
	if v.removed != nil {
		if err := v.removed(ctx, s); err != nil {
			return failed(err, "")
		}
	}
	s.say("Postern does not start by itself any more; accounts, tokens and settings are as they were")
	return nil
}

// serviceReport is what `postern service status --json` prints.
type serviceReport struct {
	Kind      string `json:"kind"`
	Installed bool   `json:"installed"`
	File      string `json:"file"`
	Edited    bool   `json:"edited"`
	Answers   bool   `json:"answers"` // the daemon does
	serviceState
}

func runServiceStatus(ctx context.Context, a *app, args []string) error {
	s := a.steps()
	v, err := a.service(ctx, s, args)
	if err != nil {
		return err
	}
	r := serviceReport{Kind: v.kind, Installed: v.installed(), File: v.files[0].there(), Edited: v.files[0].edited(), Answers: s.answers(ctx)}
	if r.Installed {
		r.serviceState = v.state(ctx, s)
	}
	if a.o.json {
		return a.ui.json(r)
	}
	if !r.Installed {
		return failed(fmt.Errorf("there is no %s of Postern", v.kind), `"postern service install" makes it`)
	}
	a.ui.print("%s: %s%s\n", v.kind, r.File, map[bool]string{true: ", changed by hand"}[r.Edited])
	a.ui.print("  starts by itself: %s\n", map[bool]string{true: "yes", false: "no"}[r.Enabled])
	a.ui.print("  now: %s\n", strings.TrimSpace(r.Detail))
	a.ui.print("  what it says: %s\n", v.log)
	if r.Note != "" {
		a.ui.print("  %s\n", r.Note)
	}
	if !r.Active {
		return failed(errors.New("the service does not run"), `"`+v.log+`" may say why; "postern service install" starts it again`)
	}
	return nil
}

// writable refuses to touch what somebody has changed, unless it is to be.
func (v *service) writable(force bool) error {
	for _, f := range v.files {
		if f.edited() && !force {
			return failed(fmt.Errorf("%s was changed by hand, or is not ours; it stays as it is", f.path),
				"--force goes on, and keeps yours as "+f.path+old+v.adjust)
		}
	}
	return nil
}

func (v *service) installed() bool { return v.files[0].there() != "" }

// steps makes what the service commands change, and says each change in a line.
type steps struct {
	*ui
	exec    func(ctx context.Context, name string, args ...string) (string, error)
	answers func(context.Context) bool // whether a daemon serves this state directory
}

func (a *app) steps() *steps {
	state := a.stateDir()
	if a.o.system {
		state = systemState
	}
	return &steps{ui: a.ui, exec: execute, answers: func(ctx context.Context) bool {
		_, err := control.NewClient(state).Status(ctx)
		return err == nil
	}}
}

// run runs a command that changes something.
func (s *steps) run(ctx context.Context, name string, args ...string) error {
	line := strings.Join(append([]string{name}, args...), " ")
	out, err := s.exec(ctx, name, args...)
	if err != nil {
		if out = strings.TrimSpace(out); out != "" {
			return fmt.Errorf("%s: %w: %s", line, err, strings.ReplaceAll(out, "\n", " "))
		}
		return fmt.Errorf("%s: %w", line, err)
	}
	s.say("ran %s", line)
	return nil
}

func (s *steps) remove(path string) error {
	err := os.Remove(path)
	if err == nil {
		s.say("removed %s", path)
	}
	return err
}
