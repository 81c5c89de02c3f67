package proxy

import (
	"bytes"
	"strconv"
	"sync"
)

// lineTap watches a relay of a protocol whose commands are lines and whose replies come in their order
// (SMTP, POP3). A command that its rule forbids goes upstream as another one, which every server refuses:
// the refusal then comes at its place among the replies, and the bytes behind it are no secret.
type lineTap struct {
	rule     func(verb []byte) lineRuling
	farewell func(why string) []byte

	// used by up only
	state lineState
	head  []byte // the line's beginning, until its verb is known
	held  int    // how many bytes of head came in earlier reads and are not passed on yet
	left  int64  // octets that are no lines (BDAT)
	bdat  tail   // the line of a BDAT
	end   int    // how much of CR LF "." CR LF the content ends with
	what  follow
	stray bool // the next line may be an answer to a login that was over before it came

	// used by down only
	lineStart bool
	code      []byte

	mu      sync.Mutex // guards what follows
	changed sync.Cond
	asked   int // commands that went upstream
	replied int
	last    string // the last reply's code
	closed  bool
}

// lineRuling is what becomes of a command.
type lineRuling struct {
	instead string // goes upstream in its place
	follow  follow
	known   bool // a verb that clients are known to use
}

// follow says what comes behind a command's line.
type follow int

const (
	followLine    follow = iota // the next command
	followContent               // a message, up to its dot, if the server agrees (DATA)
	followOctets                // as many octets as the line says (BDAT)
)

type lineState int

const (
	atVerb lineState = iota
	inVerbLine
	inSwallowed // the rest of a forbidden line
	inOctets
	atReply // the server has yet to agree to a message
	inContent
)

// maxVerb is longer than any command's name; what has none in so many bytes is passed as it is.
const maxVerb = 32

func newLineTap(rule func(verb []byte) lineRuling, farewell func(why string) []byte) *lineTap {
	t := &lineTap{rule: rule, farewell: farewell, lineStart: true, stray: true}
	t.changed.L = &t.mu
	return t
}

func (t *lineTap) up(b []byte, forward, _ func([]byte) error) error {
	p := passage{b: b, forward: forward}
	for p.at < len(b) {
		var err error
		switch t.state {
		case atVerb:
			err = t.verb(&p)
		case inVerbLine, inSwallowed:
			t.line(&p)
		case inOctets:
			n := min(t.left, int64(len(p.ahead())))
			p.at += int(n)
			if t.left -= n; t.left == 0 {
				t.state = atVerb
			}
		case atReply:
			if err = p.flush(p.at); err == nil {
				err = t.agreed()
			}
		case inContent:
			p.at += t.content(p.ahead())
		}
		if err != nil {
			return err
		}
	}
	return p.flush(len(b))
}

// passage is one read on its way upstream.
type passage struct {
	b       []byte
	at      int // read up to here
	from    int // forwarded or left out up to here
	forward func([]byte) error
}

func (p *passage) ahead() []byte { return p.b[p.at:] }

// flush forwards what lies before a place.
func (p *passage) flush(to int) error {
	part := p.b[p.from:to]
	p.from = to
	if len(part) == 0 {
		return nil
	}
	return p.forward(part)
}

// verb reads into head until the verb is known, and has it decided on. What is not known yet stays here.
func (t *lineTap) verb(p *passage) error {
	start, known := p.at, false
	for p.at < len(p.b) && !known {
		c := p.b[p.at]
		known = c <= ' ' && len(verbOf(t.head)) > 0 || c == '\n' || len(t.head) == maxVerb
		if !known {
			t.head = append(t.head, c)
			p.at++
		}
	}
	if err := p.flush(start); err != nil {
		return err
	}
	if !known {
		p.from, t.held = len(p.b), len(t.head)
		return nil
	}
	return t.decide(p, p.b[p.at] != ' ')
}

// line reads to the end of a line whose verb is decided on.
func (t *lineTap) line(p *passage) {
	part := p.ahead()
	n := bytes.IndexByte(part, '\n') + 1
	if n > 0 {
		part = part[:n]
	}
	p.at += len(part)
	if t.state == inSwallowed {
		p.from = p.at
	}
	if n > 0 {
		t.lineEnd(part)
	} else {
		t.bdat.add(part)
	}
}

// decide rules on the verb in head. alone says that no argument follows.
func (t *lineTap) decide(p *passage, alone bool) error {
	verb := verbOf(t.head)
	r := t.rule(verb)
	if t.stray && alone && !r.known && strayAnswer(verb) {
		r.instead = refusedVerb
	}
	t.stray = r.instead != ""
	t.what = r.follow
	t.bdat.n = 0
	t.count()
	var err error
	if r.instead != "" {
		t.state, p.from = inSwallowed, p.at
		err = p.forward([]byte(r.instead + "\r\n"))
	} else {
		t.state = inVerbLine
		if t.held > 0 {
			err = p.forward(t.head[:t.held])
		}
	}
	t.head, t.held = t.head[:0], 0
	return err
}

// verbOf leaves out what stands before a verb: no server should take it so, but one that does must not get
// a password.
func verbOf(head []byte) []byte {
	return bytes.TrimLeftFunc(head, func(r rune) bool { return r <= ' ' })
}

// count notes a command before the upstream can answer it.
func (t *lineTap) count() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked++
}

// lineEnd finds out what follows a line whose last part is given.
func (t *lineTap) lineEnd(line []byte) {
	swallowed := t.state == inSwallowed
	t.state = atVerb
	if swallowed {
		return
	}
	switch t.what {
	case followContent:
		t.state = atReply
	case followOctets:
		t.bdat.add(line)
		if n := bdatSize(t.bdat.b[:t.bdat.n]); n > 0 {
			t.state, t.left = inOctets, n
		}
	}
}

// bdatSize reads "BDAT 123 LAST" (RFC 3030 section 2), of which the end is enough.
func bdatSize(line []byte) int64 {
	fields := bytes.Fields(line)
	if n := len(fields); n > 0 && bytes.EqualFold(fields[n-1], []byte("LAST")) {
		fields = fields[:n-1]
	}
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(fields[len(fields)-1]), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// agreed waits for the reply to the last command: 354 means that a message follows.
func (t *lineTap) agreed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.replied < t.asked && !t.closed {
		t.changed.Wait()
	}
	if t.replied < t.asked {
		return errTapClosed
	}
	t.state = atVerb
	if t.last == "354" {
		t.state, t.end = inContent, 2 // the command's own line end counts: a message may be a dot alone
	}
	return nil
}

// down counts replies: the last line of one has no hyphen behind its code.
func (t *lineTap) down(b []byte) int {
	if t.farewell == nil { // nothing of ours is ever said
		if b[len(b)-1] == '\n' {
			return len(b)
		}
		return -1
	}
	last := -1
	for i, c := range b {
		if t.lineStart {
			t.code, t.lineStart = t.code[:0], false
		}
		if c == '\n' {
			t.lineStart = true
			if t.reply() {
				last = i + 1
			}
			continue
		}
		if len(t.code) < 4 {
			t.code = append(t.code, c)
		}
	}
	return last
}

// reply notes a reply whose last line has ended, and says whether nothing is owed after it.
func (t *lineTap) reply() bool {
	if len(t.code) < 3 || t.code[0] < '2' || t.code[0] > '5' || len(t.code) > 3 && t.code[3] == '-' {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replied++
	t.last = string(t.code[:3])
	t.changed.Broadcast()
	return t.replied == t.asked && t.last != "354"
}

func (t *lineTap) doing() string { return "" }

// owes says whether a command waits for its reply, in whose place a 421 would be.
func (t *lineTap) owes() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.farewell != nil && t.asked > t.replied
}

func (t *lineTap) goodbye(why string) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.farewell == nil || t.last == "221" || t.last == "421" { // the server has said it already
		return nil
	}
	return t.farewell(why)
}

func (t *lineTap) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.changed.Broadcast()
}
