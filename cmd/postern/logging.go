package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"
)

// newLogger writes events to w: text for a person, JSON for a collector.
func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError("debug, info, warn or error", "log level %q is unknown", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch strings.ToLower(format) {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case "text":
		// The journal of systemd stamps every line itself.
		if os.Getenv("JOURNAL_STREAM") != "" {
			o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
				if len(groups) == 0 && a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}
		}
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return nil, usageError("text or json", "log format %q is unknown", format)
}

// watched lets the daemon's page see the audit events of a logger.
func (a *app) watched(log *slog.Logger, err error) (*slog.Logger, error) {
	if err != nil || !a.isDaemon {
		return log, err
	}
	return slog.New(a.recent.Handler(log.Handler())), nil
}

// listenError says what to do about an address that can not be listened on.
func listenError(key, address string, err error) error {
	cure := "another program (or another postern) may have it: choose a different address, or stop that program"
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		cure = "this machine does not have that address: choose another, such as 127.0.0.1"
	case errors.Is(err, fs.ErrPermission):
		cure = "choose a port from 1024 on: those below are for the system"
	}
	return failed(fmt.Errorf("%s: can not listen on %s: %w", key, address, err), cure)
}
