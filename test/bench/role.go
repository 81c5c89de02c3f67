package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"
)

// setup is the first line that a process gets.
type setup struct {
	Upstream    string    // host:port that it connects to
	Lines       lineDoors // the same for SMTP and POP3
	Certificate certificate
	Sessions    int  // how many it has to hold
	NoSpares    bool // postern only
	Heap        bool // sample memory finely, for a profile
}

// request is any further line. reply answers each, and the setup.
type request struct {
	Do    string
	Path  string        // of a profile
	Count int           // of pushes
	Every time.Duration // between pushes
}

// What can be requested.
const (
	usage        = "usage"         // reply.CPU, reply.Sessions
	collect      = "collect"       // garbage, and return memory to the system
	push         = "push"          // origin only: news for Count sessions in IDLE
	startProfile = "start-profile" // of the processor
	stopProfile  = "stop-profile"
	heapProfile  = "heap-profile"
)

type reply struct {
	Error      string
	Address    string
	TLSAddress string
	Lines      lineDoors
	CPU        time.Duration // spent since the process began
	Sessions   int           // origin only: connections
}

// service is a role at work.
type service struct {
	address, tlsAddress string
	lines               lineDoors
	sessions            func() int                                 // nil where nobody asks
	push                func(count int, every time.Duration) error // nil where there is none
}

// playRole serves until in ends.
func playRole(name string, in io.Reader, out io.Writer) error {
	requests, replies := json.NewDecoder(in), json.NewEncoder(out)
	var s setup
	if err := requests.Decode(&s); err != nil {
		return err
	}
	if s.Heap {
		runtime.MemProfileRate = 512
	}
	if err := raiseFileLimit(2*s.Sessions + 1000); err != nil {
		return err
	}
	serve, ok := map[string]func(setup) (service, error){
		"origin": serveOrigin, "minimal": serveMinimal, "postern": servePostern, "delay": serveDelay, "awake": serveAwake,
	}[name]
	if !ok {
		return fmt.Errorf("no such role")
	}
	svc, err := serve(s)
	if err != nil {
		return err
	}
	if err := replies.Encode(reply{Address: svc.address, TLSAddress: svc.tlsAddress, Lines: svc.lines}); err != nil {
		return err
	}
	var profile bytes.Buffer
	for {
		var q request
		if err := requests.Decode(&q); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var r reply
		if err := svc.answer(q, &r, &profile); err != nil {
			r.Error = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			return err
		}
	}
}

func (svc service) answer(q request, r *reply, profile *bytes.Buffer) error {
	switch q.Do {
	case usage:
		if svc.sessions != nil {
			r.Sessions = svc.sessions()
		}
		var err error
		r.CPU, err = cpuTime()
		return err
	case collect:
		// The second collection empties what pools have kept through the first.
		runtime.GC()
		debug.FreeOSMemory()
		return nil
	case push:
		if svc.push == nil {
			return fmt.Errorf("nothing to push")
		}
		return svc.push(q.Count, q.Every)
	case startProfile:
		profile.Reset()
		return pprof.StartCPUProfile(profile)
	case stopProfile:
		pprof.StopCPUProfile()
		return os.WriteFile(q.Path, profile.Bytes(), 0o666)
	case heapProfile:
		var heap bytes.Buffer
		if err := pprof.Lookup("heap").WriteTo(&heap, 0); err != nil {
			return err
		}
		return os.WriteFile(q.Path, heap.Bytes(), 0o666)
	}
	return fmt.Errorf("unknown request %q", q.Do)
}
