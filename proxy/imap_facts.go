package proxy

import (
	"bytes"
	"sync"
)

// imapFacts is what a session is doing, for people to see. It believes the client: a SELECT that the
// server refuses shows all the same.
type imapFacts struct {
	mu      sync.Mutex // guards what follows
	idle    bool
	mailbox string
}

// command notes a command's name, and says whether a mailbox's name follows.
func (f *imapFacts) command(name []byte) (selects bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = is(name, "IDLE")
	if isAny(name, "CLOSE", "UNSELECT") {
		f.mailbox = ""
	}
	return isAny(name, "SELECT", "EXAMINE")
}

// selected takes the arguments of SELECT.
func (f *imapFacts) selected(args []byte) {
	a := imapArgs{parts: []imapPart{{text: bytes.TrimLeft(trimEOL(args), " ")}}}
	mailbox, ok := a.astring()
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mailbox = printable(mailbox)
}

// doing is "idle in INBOX", "in INBOX", "idle" or "".
func (f *imapFacts) doing() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.idle && f.mailbox != "":
		return "idle in " + f.mailbox
	case f.idle:
		return "idle"
	case f.mailbox != "":
		return "in " + f.mailbox
	}
	return ""
}
