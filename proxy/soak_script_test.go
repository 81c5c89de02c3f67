package proxy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// script is what both sides of one session of the soak say, made from its number alone, so that each side
// can check what it gets against what the other must have sent.
type script struct {
	number    uint64
	responses int // untagged, from the upstream
	commands  int // from the client, before its goodbye
	large     bool
	trouble   trouble
	at        int // the response or the command at which the trouble comes
}

// trouble is what goes wrong in a session.
type trouble int

const (
	noTrouble trouble = iota
	slowClient
	slowUpstream
	bytewiseClient
	halfClose         // the client closes its side instead of LOGOUT, and reads on
	throttled         // commands are answered with Exchange's request for a pause
	upstreamBye       // from here on the session ends early: at a boundary
	upstreamCloses    // in the middle of a response
	upstreamDrops     // the same without TLS's goodbye
	upstreamResets    // the same with a TCP reset
	upstreamFreezes   // reads and writes no more, and does not close
	clientCloses      // in the middle of a command
	clientResets      // the same with a TCP reset
	clientStopsToRead // for a while, and then resets
	troubles
)

func (t trouble) String() string {
	return [...]string{"none", "slow client", "slow upstream", "client bytewise", "half close", "throttled", "upstream bye", "upstream closes",
		"upstream drops", "upstream resets", "upstream freezes", "client closes", "client resets", "client stops to read"}[t]
}

// early says whether the trouble ends the session.
func (t trouble) early() bool { return t >= upstreamBye }

func newScript(number uint64) script {
	rng := rand.New(rand.NewPCG(number, 1))
	s := script{number: number, responses: 1 + rng.IntN(60), commands: 1 + rng.IntN(40), large: rng.IntN(8) == 0}
	if rng.IntN(3) > 0 {
		s.trouble = trouble(rng.IntN(int(troubles)))
	}
	if s.trouble == bytewiseClient || s.trouble == slowClient || s.trouble == slowUpstream {
		s.large = false
	}
	if s.trouble == clientStopsToRead {
		s.large, s.responses = true, 60
	}
	s.at = rng.IntN(min(s.responses, s.commands))
	return s
}

// noise is where literals are cut from: a piece of it shows when it stands at another place than its own.
var noise = func() []byte {
	b := make([]byte, 3<<20)
	src := rand.NewChaCha8([32]byte{7})
	src.Read(b)
	return b
}()

func (s script) random(kind, i int) *rand.Rand {
	return rand.New(rand.NewPCG(s.number, uint64(kind)<<32|uint64(i)))
}

// literal returns some bytes, which may look like anything.
func (s script) literal(rng *rand.Rand) []byte {
	most := 3000
	switch n := rng.IntN(20); {
	case n == 0 && s.large:
		most = 1 << 20
	case n < 4:
		most = 70_000
	}
	if s.trouble == bytewiseClient {
		most = 300
	}
	from := rng.IntN(1 << 20)
	return noise[from : from+rng.IntN(most)]
}

// response is the upstream's untagged response i.
func (s script) response(i int) []byte {
	rng := s.random(2, i)
	switch rng.IntN(6) {
	case 0:
		return fmt.Appendf(nil, "* %d EXISTS\r\n", i)
	case 1: // looks as if it announced a literal
		return fmt.Appendf(nil, "* OK [ALERT] %d of %d says {5}\r\n", i, s.number)
	case 2:
		name := s.literal(rng)
		return fmt.Appendf(nil, "* LIST () \"/\" {%d}\r\n%s\r\n", len(name), name)
	case 3:
		a, b := s.literal(rng), s.literal(rng)
		return fmt.Appendf(nil, "* %d FETCH (UID %d BODY[1] {%d}\r\n%s BODY[2] ~{%d}\r\n%s)\r\n", i, s.number, len(a), a, len(b), b)
	}
	body := s.literal(rng)
	return fmt.Appendf(nil, "* %d FETCH (BODY[] {%d}\r\n%s UID %d)\r\n", i, len(body), body, s.number)
}

// soakCommand is one command of the client's.
type soakCommand struct {
	tag    string
	head   []byte // up to where the client waits for a go-ahead; all of it if it does not
	rest   []byte // behind the go-ahead
	waits  bool
	agreed bool   // whether the upstream gives its go-ahead
	answer string // the tagged line
	stays  bool   // Postern answers, and the upstream never sees it
}

// command is the client's command i.
func (s script) command(i int) soakCommand {
	rng := s.random(3, i)
	c := soakCommand{tag: fmt.Sprintf("c%d", i), agreed: true}
	c.answer = c.tag + " OK done {7}\r\n"
	switch rng.IntN(8) {
	case 0:
		c.head = fmt.Appendf(nil, "%s LOGIN ann {%d+}\r\nsecret-%d\r\n", c.tag, len(fmt.Sprint(s.number))+7, s.number)
		c.answer, c.stays = c.tag+" BAD already logged in\r\n", true
	case 1:
		c.head, c.rest, c.waits = fmt.Appendf(nil, "%s IDLE\r\n", c.tag), []byte("DONE\r\n"), true
	case 2, 3:
		body := s.literal(rng)
		c.head = fmt.Appendf(nil, "%s APPEND soak {%d}\r\n", c.tag, len(body))
		c.rest, c.waits = append(bytes.Clone(body), "\r\n"...), true
		if c.agreed = rng.IntN(3) > 0; !c.agreed {
			c.rest, c.answer = nil, c.tag+" NO [OVERQUOTA] full {9}\r\n"
		}
	case 4, 5:
		a, b := s.literal(rng), s.literal(rng)
		c.head = fmt.Appendf(nil, "%s APPEND soak {%d+}\r\n%s {%d+}\r\n%s\r\n", c.tag, len(a), a, len(b), b)
	case 6:
		c.head = fmt.Appendf(nil, "%s uid fetch %d:* (FLAGS)\r\n", c.tag, s.number)
	default:
		c.head = fmt.Appendf(nil, "%s NOOP\r\n", c.tag)
	}
	if s.trouble == throttled && i >= s.at && c.agreed && !c.stays {
		c.answer = c.tag + " BAD Request is throttled. Suggested Backoff Time: 15 milliseconds\r\n"
	}
	return c
}
