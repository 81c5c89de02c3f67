package proxy

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"postern/auth"
)

// What a server says before it lets us in is kept for the client, and so has an end.
func TestUpstreamThatFloodsTheLogin(t *testing.T) {
	t.Parallel()
	line := "* X {60000}\r\n" + strings.Repeat("x", 60000) + strings.Repeat("y", 60000) + "\r\n"
	in := "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\r\n" + strings.Repeat(line, 100) + "P1 OK done\r\n"
	w := newWire(&memConn{in: bytes.NewReader([]byte(in))})
	defer w.release()
	b, err := IMAP().begin(w, upstreamOptions{server: "x:993"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.login(credentials{mailbox: "ann@example.com", token: auth.NewSecret("t"), known: "IMAP4rev1"}); !errors.Is(err, errTalksTooMuch) {
		t.Errorf("after 12 MB: %v", err)
	}
}
