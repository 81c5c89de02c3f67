package proxy

import (
	"bytes"
	"errors"
	"sync"
)

// imapTap knows where commands and responses begin and end, in both directions of a relay. It keeps from
// the upstream what its rule forbids, and knows where a line of ours could stand.
type imapTap struct {
	refused func(text string)

	commands imapCommands // used by up only
	reader   *imapReader  // in the place of commands, for a local password that may only read
	answers  imapAnswers  // used by down only
	facts    imapFacts

	mu      sync.Mutex // guards what follows
	changed sync.Cond
	owed    []byte // tag of the command whose literal waits for the upstream's go-ahead; empty for none
	verdict verdict
	stores  []byte // tag of the last APPEND that the upstream has whole and has not answered; empty for none
	closed  bool
	byeSaid bool
}

type verdict int

const (
	undecided verdict = iota
	goAhead           // the literal comes
	refusedIt         // the command is over, no literal comes
)

// errTapClosed means that the session ended while a client's bytes waited for the upstream.
var errTapClosed = errors.New("session ended")

func newIMAPTap(refused func(string)) *imapTap {
	t := &imapTap{refused: refused, commands: imapCommands{stray: true}}
	t.changed.L = &t.mu
	return t
}

// announce says that the command tag waits for the upstream's go-ahead. It must be called before the
// upstream can see the announcement.
func (t *imapTap) announce(tag []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owed = append(t.owed[:0], tag...)
	t.verdict = undecided
}

// await waits for the upstream's answer to the announcement.
func (t *imapTap) await() (verdict, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.verdict == undecided && !t.closed {
		t.changed.Wait()
	}
	if t.verdict == undecided {
		return undecided, errTapClosed
	}
	return t.verdict, nil
}

// answered looks at the head of one line from the upstream.
func (t *imapTap) answered(line []byte) {
	if len(line) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if line[0] == '*' {
		if len(line) >= 5 && bytes.EqualFold(line[:5], []byte("* BYE")) {
			t.byeSaid = true
		}
		return
	}
	tag, _, _ := bytes.Cut(line, []byte(" "))
	tag = trimEOL(tag)
	if bytes.Equal(tag, t.stores) {
		t.stores = t.stores[:0]
	}
	if len(t.owed) == 0 {
		return
	}
	switch {
	case line[0] == '+':
		t.verdict = goAhead
	case bytes.Equal(tag, t.owed):
		t.verdict = refusedIt
	default:
		return
	}
	t.owed = t.owed[:0]
	t.changed.Broadcast()
}

func (t *imapTap) up(b []byte, forward, answer func([]byte) error) error {
	if t.reader != nil {
		return t.reader.pass(t, b, forward, answer)
	}
	return t.commands.pass(t, b, forward, answer)
}

func (t *imapTap) doing() string { return t.facts.doing() }

func (t *imapTap) down(b []byte) int { return t.answers.see(t, b) }

// stored says that the upstream is about to have all of the APPEND tag.
func (t *imapTap) stored(tag []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stores = append(t.stores[:0], tag...)
}

// owes says whether an APPEND waits for its answer.
func (t *imapTap) owes() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.stores) > 0
}

func (t *imapTap) goodbye(why string) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byeSaid {
		return nil
	}
	return []byte("* BYE [UNAVAILABLE] " + responseText("Postern: "+why) + "\r\n")
}

func (t *imapTap) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.changed.Broadcast()
}
