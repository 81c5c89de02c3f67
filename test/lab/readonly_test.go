package lab

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostileSession makes up what a client might say that wants to change a mailbox and may not: commands of all
// kinds with literals that are right, wrong and never asked for, control characters, IDLE that does not end.
func hostileSession(rng *rand.Rand) string {
	pick := func(all ...string) string { return all[rng.IntN(len(all))] }
	var b strings.Builder
	change := func() string {
		return pick(`STORE 1:* +FLAGS (\Deleted)`, `STORE 1 FLAGS.SILENT (\Seen hostile)`, `UID STORE 1:* +FLAGS (\Flagged)`, "EXPUNGE",
			"UID EXPUNGE 1:*", "CREATE new", "DELETE Sub", "RENAME Sub Other", "SUBSCRIBE INBOX", "UNSUBSCRIBE Sub", "COPY 1 Sub",
			"UID MOVE 1 Sub", "MOVE 1 Sub", "APPEND INBOX {5+}\r\nhello", `APPEND Sub (\Seen) {5}`+"\r\nhello", "REPLACE 1 Sub {3+}\r\nabc",
			`SETMETADATA INBOX (/private/comment "x")`, `SETACL INBOX bob lr`, "DELETEACL INBOX bob", `SETQUOTA "" (STORAGE 1)`,
			"CANCELUPDATE x", "GENURLAUTH x", "COMPRESS DEFLATE", "STARTTLS", "LOGIN a b", "UNAUTHENTICATE")
	}
	read := func() string {
		return pick("NOOP", "SELECT INBOX", "SELECT Sub", "EXAMINE INBOX", "FETCH 1:* BODY[]", "UID FETCH 1:* (RFC822 FLAGS)", "CLOSE", "UNSELECT",
			"CHECK", "SEARCH TEXT x", `LIST "" "*" RETURN (STATUS (UNSEEN))`, "STATUS Sub (UIDNEXT)", "IDLE", "DONE", "ENABLE QRESYNC",
			"SELECT INBOX (CONDSTORE)", `SORT (DATE) UTF-8 ALL`, "NAMESPACE", "CAPABILITY", `ID ("name" "x")`, "THREAD REFERENCES UTF-8 ALL")
	}
	mix := func(s string) string {
		switch rng.IntN(8) {
		case 0:
			return strings.ToLower(s)
		case 1:
			return strings.Replace(s, " ", "  ", 1)
		case 2:
			return strings.Replace(s, " ", pick("\t", "\x00", "\r", "\x0b", "\u00a0"), 1)
		}
		return s
	}
	for i := range 3 + rng.IntN(12) {
		tag := pick("a", "b1", "X.9", fmt.Sprint(i))
		switch rng.IntN(12) {
		case 0, 1, 2:
			b.WriteString(tag + " " + mix(read()))
		case 3, 4, 5:
			b.WriteString(tag + " " + mix(change()))
		case 6, 7: // a literal in which a command lies
			inner := tag + " " + change() + "\r\n"
			size := pick(fmt.Sprint(len(inner)), fmt.Sprint(len(inner)-2), "0", "1", "99999999999999999999", "4294967296")
			b.WriteString(pick("", "y", "y FETCH", "y SEARCH TEXT", "y SELECT", "y LIST \"\"", "y IDLE", "DONE", "y ID (\"a\"", "y STATUS", "y "+read()) +
				" " + pick("{", "~{", "\"{") + size + pick("+}", "}", "-}", "+ }", "+}x") + "\r\n" + inner)
		case 8:
			b.WriteString(tag + " IDLE\r\n" + tag + " " + change() + "\r\nDONE")
		case 9: // what only some take for the end of a line
			b.WriteString(tag + " " + read() + pick("\r", "\n", "\x00", "\r\r", "\x0c", "\u2028") + tag + " " + change())
		case 10:
			b.WriteString(pick("", " ", "*", "+", "\"x\"", "{5}", "\x00") + " " + change())
		case 11: // a string that does not end
			b.WriteString(tag + " SEARCH SUBJECT \"" + pick("", "\\") + "\r\n" + tag + " " + change())
		}
		b.WriteString(pick("\r\n", "\r\n", "\r\n", "\n", "\r\n\r\n"))
	}
	return b.String()
}

// everything is all that a user's session could change, as the server tells it past Postern.
func everything(t *testing.T, user string) map[string]string {
	t.Helper()
	c := direct(t, user)
	ask := func(format string, args ...any) string {
		untagged, status := c.do(format, args...)
		code, _, _ := strings.Cut(status, " ")
		return strings.Join(append(untagged, code), "\n")
	}
	// Whether a mailbox is "interesting" (RFC 3501 section 7.2.2) changes when somebody looks.
	list := strings.ReplaceAll(ask(`LIST "" "*"`), ` \Marked`, "")
	all := map[string]string{"LIST": strings.ReplaceAll(list, ` \UnMarked`, ""), "LSUB": ask(`LSUB "" "*"`)}
	for _, box := range []string{"INBOX", "Sub"} {
		all[box] = ask("STATUS %s (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)", box)
		if !strings.HasSuffix(all[box], "OK") {
			continue
		}
		for _, m := range c.messages(box) {
			all[fmt.Sprint(box, " ", m.uid)] = m.flags + " " + sum(m.body)
		}
	}
	c.ok("LOGOUT")
	return all
}

// say sends what a client has made up and waits until the server is done with it, or gives up on it.
func say(addr, user, secret, session string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "login LOGIN %s %s\r\n", quote(user), quote(secret))
	end := newWatcher("login OK", "login NO", "end OK", "* BYE")
	if saw := end.await(conn); saw != "login OK" {
		return fmt.Errorf("login: %q", saw)
	}
	if _, err := io.WriteString(conn, session+"\r\nDONE\r\nend LOGOUT\r\n"); err != nil {
		return nil // sent away
	}
	conn.SetReadDeadline(time.Now().Add(2 * time.Second)) // a server in a literal says nothing
	end.await(conn)
	return nil
}

// watcher looks for words at the beginning of lines.
type watcher struct {
	words []string
	seen  string
}

func newWatcher(words ...string) *watcher { return &watcher{words: words, seen: "\n"} }

func (w *watcher) await(r io.Reader) string {
	b := make([]byte, 4096)
	for {
		for _, word := range w.words {
			if _, rest, ok := strings.Cut(w.seen, "\n"+word); ok {
				w.seen = "\n" + rest
				return word
			}
		}
		n, err := r.Read(b)
		w.seen = w.seen[max(0, len(w.seen)-64):] + string(b[:n])
		if err != nil && n == 0 {
			return err.Error()
		}
	}
}

// A password that may only read changes nothing at the real server, whatever its client says. SOAK makes it say more.
func TestReadOnlyPassword(t *testing.T) {
	t.Parallel()
	p := configure(t, lab.oauth, otto)
	p.signIn(otto)
	full := p.addPassword(otto)
	reader := p.addPassword(otto, "--read-only")
	d := p.serve()

	c := d.connect(t, otto, full)
	c.ok("CREATE Sub")
	c.ok("SUBSCRIBE Sub")
	c.ok("SELECT INBOX")
	c.ok("COPY 1:3 Sub")
	c.ok("LOGOUT")
	before := everything(t, otto)

	sessions := 300
	if os.Getenv("SOAK") != "" {
		sessions = 20_000
	}
	seed := rand.Uint64()
	var all sync.WaitGroup
	var next sync.Mutex
	number := 0
	for range 8 {
		all.Go(func() {
			for {
				next.Lock()
				n := number
				number++
				next.Unlock()
				if n >= sessions || t.Failed() {
					return
				}
				session := hostileSession(rand.New(rand.NewPCG(seed, uint64(n))))
				if err := say(d.addr, otto, reader, session); err != nil {
					t.Errorf("session %d of %d: %v\n%q", n, seed, err, session)
				}
				if n%50 == 49 && !t.Failed() {
					if now := everything(t, otto); !maps.Equal(now, before) {
						t.Errorf("after session %d of seed %d the mail is another one:\n%v\nbefore:\n%v", n, seed, now, before)
					}
				}
			}
		})
	}
	all.Wait()
	if now := everything(t, otto); !maps.Equal(now, before) {
		t.Errorf("the mail is another one:\n%v\nbefore:\n%v", now, before)
	}

	// The same sessions with the other password show that the check can fail.
	for n := range 50 {
		say(d.addr, otto, full, hostileSession(rand.New(rand.NewPCG(1, uint64(n)))))
	}
	if maps.Equal(everything(t, otto), before) {
		t.Error("sessions that may change the mail did not either: they are too harmless")
	}
}
