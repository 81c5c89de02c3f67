package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf16"

	"postern/internal/config"
)

const taskName = "Postern"

// scheduledTask starts the daemon when the person logs in to Windows. The task that the system keeps can not be
// compared with what we gave it, so the file stays in the state directory.
func scheduledTask(m machine, p program) (*service, error) {
	text, err := shipped("postern-task.xml")
	if err != nil {
		return nil, err
	}
	words := make([]string, 0, 8)
	for _, w := range p.words("serve") {
		// A path of Windows has no quotes, and a directory's final backslash would escape ours.
		words = append(words, `"`+strings.TrimRight(w, `\`)+`"`)
	}
	text, err = fill(text, `"C:\Program Files\Postern\postern.exe" serve`, inXML(strings.Join(words, " ")), "<UserId>USER<", "<UserId>"+inXML(m.user)+"<")
	if err != nil {
		return nil, err
	}
	f := serviceFile{path: filepath.Join(firstOf(p.state, config.DefaultStateDir()), "postern-task.xml"), text: text, mode: 0o600}
	known := func(ctx context.Context, s *steps) bool {
		_, err := s.exec(ctx, "schtasks", "/Query", "/TN", taskName)
		return err == nil
	}
	end := func(ctx context.Context, s *steps) error {
		if !known(ctx, s) || !s.answers(ctx) {
			return nil
		}
		if err := s.run(ctx, "schtasks", "/End", "/TN", taskName); err != nil {
			return err
		}
		return within(ctx, 20*time.Second, "the daemon does not end", func() bool { return !s.answers(ctx) })
	}
	return &service{
		kind: "scheduled task", files: []serviceFile{f}, log: "postern check",
		running: "Postern runs, and will whenever you log in",
		start: func(ctx context.Context, s *steps) error {
			if err := end(ctx, s); err != nil {
				return err
			}
			if err := createTask(ctx, s, sign(text)); err != nil {
				return err
			}
			if err := s.run(ctx, "schtasks", "/Run", "/TN", taskName); err != nil {
				return err
			}
			return within(ctx, 20*time.Second, "the daemon does not answer", func() bool { return s.answers(ctx) })
		},
		stop: func(ctx context.Context, s *steps) error {
			if err := end(ctx, s); err != nil || !known(ctx, s) {
				return err
			}
			return s.run(ctx, "schtasks", "/Delete", "/TN", taskName, "/F")
		},
		state: func(ctx context.Context, s *steps) serviceState {
			st := serviceState{Enabled: known(ctx, s), Active: s.answers(ctx)}
			st.Detail = map[bool]string{true: "the daemon answers", false: "the daemon does not answer"}[st.Active]
			return st
		},
	}, nil
}

// createTask hands the task over in UTF-16, the one encoding that every version of schtasks takes.
func createTask(ctx context.Context, s *steps, text string) error {
	f, err := os.CreateTemp("", "postern-task-*.xml")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(inUTF16(strings.Replace(text, `encoding="UTF-8"`, `encoding="UTF-16"`, 1)))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return s.run(ctx, "schtasks", "/Create", "/TN", taskName, "/XML", f.Name(), "/F")
}

// inUTF16 is little-endian with a byte order mark.
func inUTF16(text string) []byte {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}
