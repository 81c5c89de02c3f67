package emulator

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMaxPerUser(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Mail: MailOptions{MaxPerUser: 2}})
	token := issueToken(t, e, Grant{}).Access
	var wires []*wire
	for range 3 {
		w := dial(t, e)
		w.login("ann@example.com", token)
		w.send("a NAMESPACE")
		wires = append(wires, w)
	}
	for _, w := range wires[:2] {
		w.expect("* NAMESPACE …", "a OK …")
	}
	wires[2].expect("a " + badNotConnected)
	wires[0].conn.Close()
	eventually(t, "the first session ends", func() bool { return len(e.IMAP.Sessions()) == 2 })
	w := dial(t, e)
	w.login("ann@example.com", token)
	w.send("a NAMESPACE")
	w.expect("* NAMESPACE …")
}

func TestAppOnlyToken(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Clients: []Client{{ID: "app", Secrets: []string{"s3cret"}}}})
	e.Identity.mu.Lock()
	list, _ := parseScopes("https://outlook.office365.com/.default")
	token := e.Identity.issueLocked(issue{client: e.Identity.clients["app"], granted: list, asked: list}, false).AccessToken
	e.Identity.mu.Unlock()
	w := dial(t, e)
	w.expect("* OK …")
	w.send("a AUTHENTICATE XOAUTH2 " + xoauth2("office@work.example", token))
	w.expect("a NO AUTHENTICATE failed.") // no service principal in the mailbox
	e.IMAP.Grant("app", "Office@work.example")
	w.send("b AUTHENTICATE XOAUTH2 "+xoauth2("office@work.example", token), "c NAMESPACE")
	w.expect("b OK AUTHENTICATE completed.", "* NAMESPACE …")
	if s := e.IMAP.Sessions(); len(s) != 1 || s[0].Owner != "app" || s[0].Mailbox != "office@work.example" {
		t.Errorf("sessions: %+v", s)
	}
}

func TestPreAuthTimeout(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Mail: MailOptions{PreAuthTimeout: 2 * time.Second}})
	w := dial(t, e)
	w.expect("* OK …", byeTimeout, "(end)")
	w = dial(t, e)
	w.expect("* OK …")
	w.send("a AUTHENTICATE XOAUTH2")
	w.expect("+ ", byeTimeout, "(end)")
	w = dial(t, e)
	w.login("ann@example.com", issueToken(t, e, Grant{}).Access)
	time.Sleep(2200 * time.Millisecond) // past the limit, which no longer holds
	w.send("a NOOP")
	w.expect("a OK NOOP completed.")
}

func TestSilence(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	e.IMAP.Fail(AtGreeting, 1, MailFault{Kind: Silence})
	w := dial(t, e)
	w.send("a CAPABILITY")
	eventually(t, "the session is frozen", func() bool {
		s := e.IMAP.Sessions()
		return len(s) == 1 && s[0].State == "frozen"
	})
	saysNothing(t, w)

	idle := dial(t, e)
	idle.login("ann@example.com", issueToken(t, e, Grant{}).Access)
	idle.send("a SELECT INBOX", "b IDLE")
	idle.until("a")
	idle.expect("+ …")
	if n := e.IMAP.Freeze("ann@example.com"); n != 1 {
		t.Errorf("froze %d sessions", n)
	}
	if err := e.IMAP.Deliver("ann@example.com", "", []byte("Subject: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	idle.send("DONE", "c NOOP")
	saysNothing(t, idle)
	if n := e.IMAP.CloseAll(); n != 2 {
		t.Errorf("closed %d sessions", n)
	}
	idle.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	idle.expect("(end)")
}

// saysNothing can only watch for a moment; that the bytes were taken is what it checks first.
func saysNothing(t *testing.T, w *wire) {
	t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if line, err := w.br.ReadString('\n'); err == nil || err == io.EOF {
		t.Errorf("not silent: %q, %v", line, err)
	}
}

func TestEndlessGreeting(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	e.IMAP.Fail(AtGreeting, 1, MailFault{Kind: Endless})
	w := dial(t, e)
	if n, err := io.CopyN(io.Discard, w.conn, 1<<20); err != nil {
		t.Errorf("%d bytes, then %v", n, err)
	}
}

func TestResetInLiteral(t *testing.T) {
	t.Parallel()
	raw := append([]byte("Subject: large\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef"), 64<<10)...)
	e := start(t, Options{Users: []User{{Address: "ann@example.com", Mail: []Message{{Raw: raw}}}}})
	w := dial(t, e)
	w.login("ann@example.com", issueToken(t, e, Grant{}).Access)
	e.IMAP.Fail("FETCH", 1, MailFault{Kind: ResetInLiteral})
	w.send("a SELECT INBOX", "b FETCH 1 BODY[]")
	w.until("a")
	w.expect("* 1 FETCH (UID 1 BODY[] {…}")
	n, err := io.Copy(io.Discard, w.br)
	if err == nil || errors.Is(err, io.EOF) || n == 0 || n >= int64(len(raw)) {
		t.Errorf("%d of %d bytes, then %v; want a reset in the middle", n, len(raw), err)
	}
}

func TestResetAll(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	w := dial(t, e)
	w.expect("* OK …")
	if n := e.IMAP.ResetAll(); n != 1 {
		t.Errorf("reset %d", n)
	}
	if _, err := w.br.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v; want a reset", err)
	}
}

func TestSendBye(t *testing.T) {
	t.Parallel()
	raw := append([]byte("Subject: large\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef"), 1<<20)...)
	e := start(t, Options{Users: []User{{Address: "ann@example.com", Mail: []Message{{Raw: raw}}}, {Address: "bob@example.com"}}})
	ann, bob := dial(t, e), dial(t, e)
	ann.login("ann@example.com", issueToken(t, e, Grant{}).Access)
	bob.login("bob@example.com", issueToken(t, e, Grant{User: "bob@example.com"}).Access)
	ann.send("a SELECT INBOX", "b FETCH 1 BODY.PEEK[]")
	ann.until("a")
	ann.expect("* 1 FETCH (UID 1 BODY[] {16777234}")
	if n := e.IMAP.SendBye("ann@example.com", "Session invalidated - Invalid"); n != 1 {
		t.Errorf("%d sessions", n)
	}
	got := make([]byte, len(raw))
	if _, err := io.ReadFull(ann.br, got); err != nil || !bytes.Equal(got, raw) {
		t.Fatalf("the BYE damaged the message: %v", err)
	}
	ann.expect(")", "* BYE Session invalidated - Invalid", "(end)")
	bob.send("a NOOP")
	bob.expect("a OK NOOP completed.")
}

func TestReceivedAndCount(t *testing.T) {
	t.Parallel()
	e := start(t, Options{RecordLimit: 10 << 10})
	first := dial(t, e)
	first.expect("* OK …")
	first.send("a LOGIN {3+}", "ann {9+}", "pass word")
	first.expect("a " + noLogin)
	first.conn.Close()
	second := dial(t, e)
	second.login("ann@example.com", issueToken(t, e, Grant{}).Access)
	second.send("a APPEND Drafts {20000+}", strings.Repeat("x", 20000))
	second.expect("a OK …")
	got := e.IMAP.Received()
	if want := "a LOGIN {3+}\r\nann {9+}\r\npass word\r\n"; len(got) != 2 || string(got[0]) != want {
		t.Fatalf("received %q", got)
	}
	if len(got[1]) != 10<<10 || !bytes.HasPrefix(got[1], []byte("in AUTHENTICATE XOAUTH2 ")) {
		t.Errorf("second: %d bytes, %.30q", len(got[1]), got[1])
	}
	for command, want := range map[string]int{"CONNECT": 2, "LOGIN": 1, "AUTHENTICATE": 1, "APPEND": 1, "NOOP": 0} {
		if n := e.IMAP.Count(command); n != want {
			t.Errorf("%s: %d; want %d", command, n, want)
		}
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	w := dial(t, e)
	w.login("ann@example.com", issueToken(t, e, Grant{}).Access)
	w.send("a SELECT INBOX", "b IDLE")
	w.until("a")
	w.expect("+ …")
	for i := range 3 {
		if err := e.IMAP.Deliver("ANN@example.com", "inbox", []byte("Subject: new\r\n\r\nbody\r\n")); err != nil {
			t.Fatal(err)
		}
		w.expect("* " + string(rune('6'+i)) + " EXISTS")
	}
	w.send("DONE")
	w.expect("b OK IDLE completed.")
	if err := e.IMAP.Deliver("ann@example.com", "New/Folder", []byte("Subject: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	w.send("c STATUS New/Folder (MESSAGES)")
	w.expect(`* STATUS "New/Folder" (MESSAGES 1) `, "c OK …")
	if err := e.IMAP.Deliver("nobody@example.com", "", nil); err == nil {
		t.Error("delivered to nobody")
	}
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	w := dial(t, e)
	w.expect("* OK …")
	w.send("a AUTHENTICATE XOAUTH2 " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), 30<<10)))
	w.expect("a NO AUTHENTICATE failed.")
	w.send("b AUTHENTICATE XOAUTH2 " + xoauth2("ann@example.com", issueToken(t, e, Grant{}).Access))
	w.expect("b OK …")
	w.send("c SELECT INBOX")
	w.until("c")
	w.send("d UID SEARCH UID 1"+strings.Repeat(",12345", 7000), "e NOOP")
	w.expect("d BAD Command Error. 10", "e OK NOOP completed.")
	w = dial(t, e)
	w.expect("* OK …")
	go io.WriteString(w.conn, strings.Repeat("y", 100<<10)+"\r\n")
	w.expect("* BAD Command Error. 10", byeClosed, "(end)")
}

func TestBadLinesEndThePatience(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	w := dial(t, e)
	w.expect("* OK …")
	for range maxBadLines {
		w.send("a GET / HTTP/1.1")
		w.expect("a BAD Command Error. 10")
	}
	w.expect(byeClosed, "(end)")
}
