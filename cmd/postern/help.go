package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

const helpHead = `Postern lets any mail client that only knows a user name and a password use
Outlook.com and Microsoft 365, where only OAuth2 is left.

Usage: postern [--config FILE] [--state DIR] [--log-level L] [--log-format text|json] COMMAND

`

const helpFoot = `
"postern help COMMAND" says more. To try it without an account: postern demo
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration wrong, 4 sign-in needed, 130 interrupted.
`

func runHelp(_ context.Context, a *app, args []string) error { return help(a.ui, args) }

func help(u *ui, words []string) error {
	if len(words) > 0 {
		return helpCommand(u, words)
	}
	u.print("%s", helpHead)
	for _, c := range commands() {
		if !c.hidden {
			u.print("  %-17s %s\n", c.name, c.does)
		}
	}
	u.print("%s", helpFoot)
	return nil
}

func helpCommand(u *ui, words []string) error {
	name := strings.Join(words, " ")
	found := false
	for _, c := range commands() {
		if c.does == "" || c.name != name && !strings.HasPrefix(c.name, name+" ") {
			continue
		}
		if found {
			u.print("\n")
		}
		found = true
		u.print("Usage: %s\n\n%s.\n", c.usage(), sentence(c.does))
		if c.more != "" {
			u.print("%s\n", c.more)
		}
		printFlags(u, c)
	}
	if !found {
		if meant := meantCommand(words); meant != "" {
			return usageError("did you mean \"postern help "+meant+"\"?", "unknown command %q", name)
		}
		return usageError(`"postern help" lists the commands`, "unknown command %q", name)
	}
	return nil
}

func printFlags(u *ui, c command) {
	if c.flags == nil {
		return
	}
	f := flag.NewFlagSet("", flag.ContinueOnError)
	c.flags(f, &options{})
	u.print("\n")
	f.VisitAll(func(g *flag.Flag) {
		kind, usage := c.takes(g), unquoted(g)
		if g.DefValue != "" && g.DefValue != "false" {
			usage += " (default " + g.DefValue + ")"
		}
		u.print("  %-30s %s\n", strings.TrimSpace("--"+g.Name+" "+kind), usage)
	})
}

// takes is what the value of a flag is called, as the command's own usage calls it; "" for a switch.
func (c *command) takes(g *flag.Flag) string {
	kind, _ := flag.UnquoteUsage(g)
	if kind != "string" {
		return strings.ToUpper(kind)
	}
	if _, after, ok := strings.Cut(c.args, "--"+g.Name+" "); ok {
		if name := after[:strings.IndexAny(after+" ", " ]")]; !strings.Contains(name, "|") {
			return name
		}
	}
	return "VALUE"
}

func unquoted(g *flag.Flag) string {
	_, usage := flag.UnquoteUsage(g)
	return usage
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func runVersion(_ context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	a.ui.print("postern %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return nil
}

// release is set by the linker for a release (-X main.release=v1.2.3).
var release string

func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return fmt.Sprintf("devel-%s", s.Value[:12])
		}
	}
	if info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}
