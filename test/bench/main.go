// Command bench measures Postern's relay against the smallest relay that does the same work, and against a
// client that talks to the server directly. All of them work in one run, in turns, against one server made
// for the purpose, so that the ratios mean something on any machine, even a busy one. docs/performance.md
// has the results and how to repeat them; `make bench` calls it. It is no test: it fails on errors only,
// never on slowness.
//
// Each contestant is a process of its own, started from this program's own binary (role.go), with Go's
// default settings for memory. The load comes from the bench itself, over loopback. It stands on package
// proxy only: accounts and tokens are fixed, for the cost of auth is not the relay's. The server and the
// clients speak as much IMAP (RFC 9051) as a measurement needs.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == roleArgument {
		if err := playRole(os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", os.Args[2], err)
			os.Exit(1)
		}
		return
	}
	if err := run(parseOptions(os.Args[1:])); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// options say how much is measured.
type options struct {
	rounds   int
	sessions int
	only     *regexp.Regexp // rows by name; nil for all
	json     bool
	profile  string // directory; "" for none

	volume    int64 // bytes carried per visit of a throughput row
	logins    int   // per visit
	exchanges int   // round trips per visit
	pushes    int   // per visit
	idle      time.Duration
}

// parseOptions ends the program when it can not understand its arguments.
func parseOptions(args []string) options {
	var o options
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	quick := f.Bool("quick", false, "about a minute in all: to see that it works, not for the record")
	f.IntVar(&o.rounds, "rounds", 0, "how often each measurement is taken (default 5, quick 3)")
	f.IntVar(&o.sessions, "sessions", 0, "idle sessions (default 2000, quick 500)")
	f.Func("only", "only the rows whose name matches this regular `expression`", func(s string) (err error) {
		o.only, err = regexp.Compile(s)
		return err
	})
	f.BoolVar(&o.json, "json", false, "print all samples as JSON instead of tables")
	f.StringVar(&o.profile, "profile", "", "repeat each row once more, unmeasured, and write the relays' pprof profiles to this `directory`")
	f.Parse(args)
	rounds, sessions := 5, 2000
	o.volume, o.logins, o.exchanges, o.pushes, o.idle = 1<<30, 1000, 5000, 3000, 5*time.Second
	if *quick {
		rounds, sessions = 3, 500
		o.volume, o.logins, o.exchanges, o.pushes, o.idle = 200<<20, 200, 1000, 400, time.Second/2
	}
	if o.rounds <= 0 {
		o.rounds = rounds
	}
	if o.sessions <= 0 {
		o.sessions = sessions
	}
	return o
}

// run takes every measurement in turns and prints them.
func run(o options) error {
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	report := newReport(o)
	for _, r := range rows() {
		if o.only != nil && !o.only.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%-14s", r.name)
		began := time.Now()
		if err := b.measure(r, report); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "  %.1fs\n", time.Since(began).Seconds())
	}
	if o.json {
		return report.writeJSON(os.Stdout)
	}
	return report.writeMarkdown(os.Stdout)
}
