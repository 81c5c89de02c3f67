package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// launchAgent starts the daemon when the person logs in to macOS (launchd.plist(5)).
func launchAgent(m machine, p program) (*service, error) {
	text, err := shipped("postern.plist")
	if err != nil {
		return nil, err
	}
	var list strings.Builder
	for _, word := range p.words("serve") {
		fmt.Fprintf(&list, "\t\t<string>%s</string>\n", inXML(word))
	}
	text, err = fill(text, "\t\t<string>/usr/local/bin/postern</string>\n\t\t<string>serve</string>\n", list.String(), "<string>HOME/", "<string>"+inXML(m.home)+"/")
	if err != nil {
		return nil, err
	}
	f := serviceFile{path: filepath.Join(m.home, "Library", "LaunchAgents", "postern.plist"), text: text, mode: 0o644}
	domain := fmt.Sprintf("gui/%d", m.uid)
	target := domain + "/postern"
	loaded := func(ctx context.Context, s *steps) bool {
		_, err := s.exec(ctx, "launchctl", "print", target)
		return err == nil
	}
	stop := func(ctx context.Context, s *steps) error {
		if !loaded(ctx, s) {
			return nil
		}
		if err := s.run(ctx, "launchctl", "bootout", target); err != nil {
			return err
		}
		// It answers before the job is gone, and a new one is refused until then.
		return within(ctx, 20*time.Second, "launchd still has the job", func() bool { return !loaded(ctx, s) })
	}
	return &service{
		kind: "launchd agent", files: []serviceFile{f}, log: "tail " + filepath.Join(m.home, "Library", "Logs", "postern.log"),
		running: "Postern runs, and will whenever you log in",
		start: func(ctx context.Context, s *steps) error {
			if err := stop(ctx, s); err != nil {
				return err
			}
			if err := s.run(ctx, "launchctl", "bootstrap", domain, f.path); err != nil {
				return err
			}
			return within(ctx, 20*time.Second, "the daemon does not answer", func() bool { return s.answers(ctx) })
		},
		stop: stop,
		state: func(ctx context.Context, s *steps) serviceState {
			st := serviceState{Enabled: loaded(ctx, s), Active: s.answers(ctx)}
			st.Detail = map[bool]string{true: "the daemon answers", false: "the daemon does not answer"}[st.Active]
			return st
		},
	}, nil
}

func inXML(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text))
	return b.String()
}

// within waits for something that only asking tells.
func within(ctx context.Context, limit time.Duration, otherwise string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New(otherwise))
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
