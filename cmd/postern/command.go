package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
)

// command is one word of the command line, or two ("account add").
type command struct {
	name   string
	args   string // as the help writes them
	does   string // one line
	more   string // what the help of this command says besides
	hidden bool   // for those who make packages; the help leaves it out
	flags  func(*flag.FlagSet, *options)
	run    func(ctx context.Context, a *app, args []string) error
}

// options are the flags of all commands together; each command declares those that it takes.
type options struct {
	global globalOptions

	addr, provider, clientID, tenant, flow, mailbox, signInAs string
	clientSecretFile, clientCertificate, clientKey            string
	label, expires, format, bundle, key                       string
	json, device, noBrowser, all, choose, readOnly, sendOnly  bool
	tokenHelper, overTLS, tunnel, dryRun, password            bool
	system, force, noStart                                    bool
	forClient                                                 string // the mail program that setup is for
	send, yes                                                 bool
}

// globalOptions may stand before the command or among its own flags.
type globalOptions struct {
	config, state, logLevel, logFormat string
}

func (g *globalOptions) declare(f *flag.FlagSet) {
	f.StringVar(&g.config, "config", g.config, "the configuration `FILE`")
	f.StringVar(&g.state, "state", g.state, "the `DIR` that keeps accounts and tokens")
	f.StringVar(&g.logLevel, "log-level", g.logLevel, "debug, info, warn or error")
	f.StringVar(&g.logFormat, "log-format", g.logFormat, "text or json")
}

// check refuses what no command could follow, also where the command at hand would not log.
func (g *globalOptions) check() error {
	_, err := newLogger(io.Discard, orElse(g.logLevel, "info"), orElse(g.logFormat, "text"))
	return err
}

// dispatch finds the command and runs it.
func dispatch(ctx context.Context, u *ui, args []string) error {
	o := &options{}
	flags := newFlagSet("postern", o, nil)
	var isVersion bool
	flags.BoolVar(&isVersion, "version", false, "")
	args, err := parseFlags(flags, args, true)
	if errors.Is(err, flag.ErrHelp) {
		return help(u, nil)
	}
	if err != nil {
		return usageError(orElse(meantFlag(flags, err), `"postern help" lists the commands`), "%s", flagWords(err))
	}
	if isVersion {
		args = []string{"version"}
	}
	if len(args) == 0 {
		return usageError(`"postern help" lists the commands, "postern demo" shows the program at work`, "no command given")
	}
	c, rest := findCommand(args)
	if c == nil {
		return unknownCommand(args)
	}
	flags = newFlagSet(c.name, o, c)
	rest, err = parseFlags(flags, rest, false)
	if errors.Is(err, flag.ErrHelp) {
		return help(u, strings.Fields(c.name))
	}
	if err != nil {
		return usageError(orElse(meantFlag(flags, err), "postern help "+c.name), "%s: %s", c.name, flagWords(err))
	}
	if err := o.global.check(); err != nil {
		return err
	}
	a := &app{ui: u, o: o, renewals: make(chan struct{}, renewAtOnce)}
	defer a.close()
	return withUsage(c.run(ctx, a, rest), c)
}

// withUsage is the cure of wrong usage that has none of its own.
func withUsage(err error, c *command) error {
	if f, ok := errors.AsType[*failure](err); ok && f.code == exitUsage && f.hint == "" {
		return usageError(c.usage(), "%w", f.err)
	}
	return err
}

func (c *command) usage() string { return strings.TrimSpace("postern " + c.name + " " + c.args) }

func newFlagSet(name string, o *options, c *command) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	o.global.declare(f)
	if c != nil && c.flags != nil {
		c.flags(f, o)
	}
	return f
}

// parseFlags takes flags wherever they stand; package flag alone stops at the first argument. With
// stopAtFirst it does that too, because what follows is the command's.
func parseFlags(f *flag.FlagSet, args []string, stopAtFirst bool) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		left := f.Args()
		if len(left) == 0 || stopAtFirst {
			return append(rest, left...), nil
		}
		if n := len(args) - len(left); n > 0 && args[n-1] == "--" {
			return append(rest, left...), nil
		}
		rest = append(rest, left[0])
		args = left[1:]
	}
}

func findCommand(args []string) (*command, []string) {
	for n := min(2, len(args)); n > 0; n-- {
		name := strings.Join(args[:n], " ")
		if i := slices.IndexFunc(commands(), func(c command) bool { return c.name == name }); i >= 0 {
			c := commands()[i]
			return &c, args[n:]
		}
	}
	return nil, nil
}

func unknownCommand(args []string) error {
	var under []string
	for _, c := range commands() {
		if strings.HasPrefix(c.name, args[0]+" ") {
			under = append(under, `"postern `+c.name+`"`)
		}
	}
	switch {
	case len(under) > 0 && len(args) > 1 && !strings.HasPrefix(args[1], "-"):
		return usageError("one of "+strings.Join(under, ", "), "unknown command %q", args[0]+" "+args[1])
	case len(under) > 0:
		return usageError("one of "+strings.Join(under, ", "), "%s: which one", args[0])
	}
	if meant := meantCommand(args); meant != "" {
		return usageError("did you mean \"postern "+meant+"\"?", "unknown command %q", args[0])
	}
	return usageError(`"postern help" lists the commands`, "unknown command %q", args[0])
}

// oneArgument is the EMAIL that most commands want.
func oneArgument(args []string, what string) (string, error) {
	switch len(args) {
	case 1:
		return args[0], nil
	case 0:
		return "", usageError("", "%s is missing", what)
	}
	return "", usageError("", "unexpected argument %q", args[1])
}

func noArguments(args []string) error {
	if len(args) > 0 {
		return usageError("", "unexpected argument %q", args[0])
	}
	return nil
}
