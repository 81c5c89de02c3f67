package emulator

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// smtpLoggedIn is ann, ready to send.
func smtpLoggedIn(t testing.TB, e *Emulator) *wire {
	t.Helper()
	w := dialSMTP(t, e)
	w.loginSMTP(e, "ann@example.com", issueToken(t, e, Grant{User: "ann@example.com", Scopes: allScopes}).Access)
	w.expect(smtpAccepted)
	return w
}

func TestSubmissionIsDelivered(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	w := smtpLoggedIn(t, e)
	const raw = "Subject: to bob\r\n\r\n.dot\r\n..two\r\nbare\nlf\r\n.\nnot the end\r\n"
	w.send("MAIL FROM:<Ann@Example.com> SIZE=9 RET=FULL", "RCPT TO:<BOB@work.example> NOTIFY=SUCCESS", "RCPT TO:<far@away.example>", "DATA")
	w.expect("250 …", "250 …", "250 …", "354 …")
	w.send("Subject: to bob\r\n\r\n..dot\r\n...two\r\nbare\nlf\r\n..\nnot the end\r\n.")
	w.expect("250 2.0.0 OK …")
	sent := e.SMTP.Messages()
	if len(sent) != 1 {
		t.Fatalf("%d messages", len(sent))
	}
	m := sent[0]
	if m.Mailbox != "ann@example.com" || m.From != "Ann@Example.com" || m.BDAT || m.Parameters["RET"] != "FULL" ||
		!slices.Equal(m.To, []string{"BOB@work.example", "far@away.example"}) || m.Notify[0] != "NOTIFY=SUCCESS" {
		t.Errorf("submission %+v", m)
	}
	if string(m.Raw) != raw {
		t.Errorf("got  %q\nwant %q", m.Raw, raw)
	}

	pop := dialPOP3(t, e)
	pop.loginPOP3("bob@work.example", issueToken(t, e, Grant{User: "bob@work.example", Scopes: allScopes}).Access)
	pop.send("STAT", "RETR 6")
	pop.expect("+OK 6 …", "+OK …", "Subject: to bob")
	imap := dial(t, e)
	imap.login("ann@example.com", issueToken(t, e, Grant{User: "ann@example.com"}).Access)
	imap.send("a STATUS Sent (MESSAGES UNSEEN)")
	imap.expect(`* STATUS "Sent" (MESSAGES 2 UNSEEN 0) `)
}

func TestSendAs(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	e.SMTP.SendAs("ann@example.com", "office@work.example")
	w := smtpLoggedIn(t, e)
	w.send("MAIL FROM:<office@work.example>", "RCPT TO:<x@y.example>", "BDAT 4 LAST", "a\r")
	w.expect("250 …", "250 …", smtpQueued()[:12]+"…")
}

func TestConcurrentSessions(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	var wires []*wire
	for range 3 {
		wires = append(wires, smtpLoggedIn(t, e))
	}
	token := issueToken(t, e, Grant{User: "ann@example.com", Scopes: allScopes}).Access
	fourth := dialSMTP(t, e)
	fourth.loginSMTP(e, "ann@example.com", token)
	fourth.expect("432 4.3.2 Concurrent connections limit exceeded.…")
	other := dialSMTP(t, e)
	other.loginSMTP(e, "bob@work.example", issueToken(t, e, Grant{User: "bob@work.example", Scopes: allScopes}).Access)
	other.expect(smtpAccepted)
	wires[0].conn.Close()
	eventually(t, "the first session ends", func() bool { return len(e.SMTP.Sessions()) == 4 })
	fourth.send("AUTH XOAUTH2 " + xoauth2("ann@example.com", token))
	fourth.expect(smtpAccepted)
	if got := e.SMTP.Sessions(); got[0].ID != 2 || got[0].Mailbox != "ann@example.com" || got[0].State != "ready" {
		t.Errorf("sessions %+v", got)
	}
}

// What comes in the clear behind STARTTLS is not taken for the client's.
func TestStartTLSForgets(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	w := dialSMTP(t, e)
	w.reply()
	w.send("EHLO client", "STARTTLS", "EHLO injected")
	w.reply()
	w.expect("220 …")
	eventually(t, "the line arrives", func() bool { return bytes.Contains(e.SMTP.Received()[0], []byte("injected")) })
	if e.SMTP.Count("EHLO") != 1 {
		t.Error("the line behind STARTTLS was read")
	}
}

func TestLargeMessages(t *testing.T) {
	t.Parallel()
	e := start(t, Options{SMTP: SMTPOptions{MaxSize: 8 << 20}, RecordLimit: -1})
	w := smtpLoggedIn(t, e)
	line := strings.Repeat(".x", 3000) + "\r\n"
	const head = "Subject: large\r\n\r\n"
	fits, tooLarge := head+strings.Repeat(line, (8<<20)/len(line)-1), head+strings.Repeat(line, (9<<20)/len(line))
	for _, raw := range []string{fits, tooLarge} {
		w.send("MAIL FROM:<ann@example.com>", "RCPT TO:<ann@example.com>", "DATA")
		w.expect("250 …", "250 …", "354 …")
		w.send(strings.ReplaceAll(raw, "\n.", "\n..") + ".")
		if raw == tooLarge {
			w.expect(smtpTooLarge)
			break
		}
		w.expect("250 …")
	}
	sent := e.SMTP.Messages()
	if len(sent) != 1 || string(sent[0].Raw) != fits {
		t.Fatalf("%d messages, or not the bytes", len(sent))
	}
	if len(e.SMTP.Received()[0]) != 0 {
		t.Error("recorded with a negative limit")
	}

	pop := dialPOP3(t, e)
	token := issueToken(t, e, Grant{User: "ann@example.com", Scopes: allScopes}).Access
	pop.loginPOP3("ann@example.com", token)
	pop.send("RETR 6")
	pop.expect("+OK …")
	got, fitsIn, err := readDotted(pop.br, 1<<30)
	if err != nil || !fitsIn || string(got) != fits {
		t.Errorf("POP3 brought %d bytes (%v)", len(got), err)
	}
	e.POP3.Fail("RETR", 1, MailFault{Kind: ResetInLiteral})
	pop.send("RETR 6")
	if n, err := io.Copy(io.Discard, pop.br); err == nil || n == 0 || n > 8<<20 {
		t.Errorf("%d bytes, then %v; want a reset in the middle", n, err)
	}
}

func TestTopAndFlags(t *testing.T) {
	t.Parallel()
	e := start(t, Options{Users: []User{{Address: "ann@example.com", Mail: []Message{
		{Raw: []byte("Subject: x\r\n\r\n.one\r\ntwo\r\nthree")},
	}}}})
	token := issueToken(t, e, Grant{Scopes: allScopes}).Access
	pop := dialPOP3(t, e)
	pop.loginPOP3("ann@example.com", token)
	pop.send("TOP 1 0", "TOP 1 1", "TOP 1 9", "RETR 1")
	pop.expect("+OK …", "Subject: x", "", ".")
	pop.expect("+OK …", "Subject: x", "", "..one", ".")
	for range 2 {
		pop.expect("+OK …", "Subject: x", "", "..one", "two", "three", ".")
	}
	w := dial(t, e)
	w.login("ann@example.com", token)
	w.send("a STATUS INBOX (UNSEEN)")
	w.expect("* STATUS INBOX (UNSEEN 1) ")
}

// A message deleted by POP3 is seen going by IMAP, and the other way round.
func TestOneMailStore(t *testing.T) {
	t.Parallel()
	e := start(t, Options{})
	token := issueToken(t, e, Grant{Scopes: allScopes}).Access
	w := dial(t, e)
	w.login("ann@example.com", token)
	w.send("a SELECT INBOX")
	w.until("a")
	pop := dialPOP3(t, e)
	pop.loginPOP3("ann@example.com", token)
	w.send("b STORE 1 +FLAGS.SILENT (\\Deleted)", "c EXPUNGE")
	w.until("c")
	pop.send("RETR 1", "DELE 2", "QUIT")
	pop.expect(popNoMessage, "+OK", popGoodbye, "(end)")
	w.send("d NOOP")
	if _, before := w.until("d"); !slices.Contains(before, "* 1 EXPUNGE") {
		t.Errorf("IMAP heard %q", before)
	}
}

func TestLineSilenceAndResets(t *testing.T) {
	t.Parallel()
	e := start(t, Options{POP3: POP3Options{PreAuthTimeout: time.Second}})
	e.POP3.Fail(AtLogin, 1, MailFault{Kind: Silence, Mailbox: "ann@example.com"}) // the mailbox is not known before the login
	e.SMTP.Fail(AtGreeting, 1, MailFault{Kind: Silence})
	silent := dialSMTP(t, e)
	eventually(t, "the session is frozen", func() bool {
		s := e.SMTP.Sessions()
		return len(s) == 1 && s[0].State == "frozen"
	})
	saysNothing(t, silent)
	if n := e.SMTP.ResetAll(); n != 1 {
		t.Errorf("%d sessions reset", n)
	}
	w := smtpLoggedIn(t, e)
	e.SMTP.Fail(AtMessage, 1, MailFault{Kind: Reset})
	w.send("MAIL FROM:<>", "RCPT TO:<x@y.example>", "BDAT 1 LAST", "")
	w.expect("250 …", "250 …")
	if _, err := w.br.ReadString('\n'); err == nil || err == io.EOF {
		t.Errorf("got %v, want a reset", err)
	}
	if len(e.SMTP.Messages()) != 0 {
		t.Error("the message was kept")
	}
	late := dialPOP3(t, e)
	late.expect("+OK …", "-ERR Connection is closed. 13", "(end)")
}

// Nothing splits a line's end from its beginning wrongly, whatever the reader's buffer holds.
func FuzzReadDotted(f *testing.F) {
	f.Add([]byte("a\r\n.b\r\n\r\n"), 16)
	f.Add([]byte(".\n.\r.\r\n"), 20)
	f.Add([]byte(strings.Repeat("x", 15)+"\r\n.\r\n"), 16)
	f.Fuzz(func(t *testing.T, raw []byte, size int) {
		if !bytes.HasSuffix(raw, []byte("\r\n")) {
			raw = append(raw, "\r\n"...)
		}
		stuffed := bytes.ReplaceAll(append([]byte("\r\n"), raw...), []byte("\r\n."), []byte("\r\n.."))[2:]
		br := bufio.NewReaderSize(bytes.NewReader(append(stuffed, ".\r\nNOOP\r\n"...)), min(max(size, 16), 64))
		got, fits, err := readDotted(br, 1<<20)
		if err != nil || !fits || !bytes.Equal(got, raw) {
			t.Fatalf("got %q (%v), want %q", got, err, raw)
		}
		if rest, _ := io.ReadAll(br); string(rest) != "NOOP\r\n" {
			t.Fatalf("behind it %q", rest)
		}
	})
}
