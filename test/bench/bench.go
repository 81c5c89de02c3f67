package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bench has what all rows share: the server, and one long-lived process for each kind of relay.
type bench struct {
	options
	cert   certificate
	origin *child
	relays map[string]*child

	profiling string // beginning of the file names while a row is profiled
}

// contestant is a way for a client to reach the server.
type contestant struct {
	name  string
	relay string // the relay's role, "" for none
	tls   bool   // on the client's side of the relay
}

// The contestants, in the order of the table. The program is compared with the minimal relay that has the
// same encryption to do.
func contestants() []contestant {
	return []contestant{
		{name: direct},
		{name: minimal, relay: "minimal"},
		{name: postern, relay: "postern"},
		{name: minimalTLS, relay: "minimal", tls: true},
		{name: posternTLS, relay: "postern", tls: true},
	}
}

const (
	direct     = "direct"
	minimal    = "minimal"
	postern    = "Postern"
	minimalTLS = "minimal, imaps"
	posternTLS = "Postern, imaps"
)

// row is one visit to a contestant, which yields one or more measurements.
type row struct {
	name     string
	awake    bool // measure with the cores kept awake
	measures []measure
	visit    func(b *bench, c contestant) (values, error)
}

// values has a visit's results by measure name. What a contestant has no value for is left out.
type values map[string]float64

func rows() []row {
	return []row{
		throughputRow("fetch1", "FETCH, 1 connection", 1, (*bench).shared, fetchMessages),
		throughputRow("fetch8", "FETCH, 8 connections", 8, (*bench).shared, fetchMessages),
		throughputRow("append1", "APPEND, 1 connection", 1, (*bench).shared, appendMessages),
		throughputRow("append8", "APPEND, 8 connections", 8, (*bench).shared, appendMessages),
		throughputRow("smtp1", "SMTP DATA, 1 connection", 1, (*bench).smtp, submitMessages),
		throughputRow("smtp8", "SMTP DATA, 8 connections", 8, (*bench).smtp, submitMessages),
		throughputRow("pop1", "POP3 RETR, 1 connection", 1, (*bench).pop3, retrieveMessages),
		throughputRow("pop8", "POP3 RETR, 8 connections", 8, (*bench).pop3, retrieveMessages),
		loginRow(),
		noopRow(),
		messageRow(),
		sessionsRow(),
		linkRow(),
	}
}

func newBench(o options) (*bench, error) {
	// The server holds a connection for each session, a relay two.
	if err := raiseFileLimit(2*o.sessions + 1000); err != nil {
		return nil, err
	}
	cert, err := newCertificate()
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, cert: cert, relays: map[string]*child{}}
	if b.origin, err = b.start("origin", ""); err != nil {
		return nil, err
	}
	for _, role := range []string{"minimal", "postern"} {
		relay, err := b.start(role, b.origin.tlsAddress)
		if err != nil {
			b.close()
			return nil, err
		}
		b.relays[role] = relay
	}
	return b, nil
}

// start makes a process, which the caller stops.
func (b *bench) start(role, upstream string) (*child, error) {
	return startChild(role, b.setup(upstream))
}

func (b *bench) setup(upstream string) setup {
	s := setup{Upstream: upstream, Certificate: b.cert, Sessions: b.sessions, Heap: b.profiling != ""}
	if b.origin != nil {
		s.Lines = b.origin.lines
	}
	return s
}

func (b *bench) close() {
	for _, relay := range b.relays {
		relay.stop()
	}
	b.origin.stop()
}

// measure takes all rounds of a row.
func (b *bench) measure(r row, report *report) error {
	if r.awake {
		awake, err := b.start("awake", "")
		if err != nil {
			return err
		}
		defer awake.stop()
	}
	for round := range b.rounds {
		fmt.Fprintf(os.Stderr, " %d", round+1)
		if err := b.round(r, round, report); err != nil {
			return err
		}
	}
	return b.profileRow(r)
}

// round visits every contestant, each round beginning with another, so that none always has the machine
// as the same one left it.
func (b *bench) round(r row, round int, report *report) error {
	all := contestants()
	for i := range all {
		c := all[(i+round)%len(all)]
		v, err := r.visit(b, c)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", r.name, c.name, err)
		}
		report.add(r, c, v)
	}
	return nil
}

// profileRow visits each relay once more for its profile.
func (b *bench) profileRow(r row) error {
	if b.profile == "" {
		return nil
	}
	if err := os.MkdirAll(b.profile, 0o777); err != nil {
		return err
	}
	defer func() { b.profiling = "" }()
	for _, c := range contestants() {
		if c.relay == "" {
			continue
		}
		name := strings.ReplaceAll(strings.ToLower(r.name+"-"+c.name), ", ", "-")
		b.profiling = filepath.Join(b.profile, name)
		relay := b.relays[c.relay]
		if _, err := relay.ask(request{Do: startProfile}); err != nil {
			return err
		}
		_, err := r.visit(b, c)
		if _, stopErr := relay.ask(request{Do: stopProfile, Path: b.profiling + ".cpu.pprof"}); err == nil {
			err = stopErr
		}
		if err != nil {
			return fmt.Errorf("profile of %s of %s: %w", r.name, c.name, err)
		}
	}
	return nil
}

// endpoint says where a contestant is reached. relay is its process, nil for none.
func (b *bench) endpoint(c contestant, relay *child) endpoint {
	switch {
	case c.relay == "":
		return endpoint{address: b.origin.tlsAddress, tls: b.cert.client(), token: true}
	case c.tls:
		return endpoint{address: relay.tlsAddress, tls: b.cert.client()}
	}
	return endpoint{address: relay.address}
}

// shared is the endpoint at the contestant's long-lived process.
func (b *bench) shared(c contestant) endpoint { return b.endpoint(c, b.relays[c.relay]) }

// timed runs work and returns how long it took, and how much processor time the contestant's relay spent.
func (b *bench) timed(relay *child, work func() error) (wall, cpu time.Duration, err error) {
	var before, after reply
	if relay != nil {
		if before, err = relay.ask(request{Do: usage}); err != nil {
			return 0, 0, err
		}
	}
	began := time.Now()
	if err := work(); err != nil {
		return 0, 0, err
	}
	wall = time.Since(began)
	if relay != nil {
		after, err = relay.ask(request{Do: usage})
	}
	return wall, after.CPU - before.CPU, err
}
