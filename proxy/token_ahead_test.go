package proxy

import (
	"strings"
	"testing"
	"time"
)

// A token that was got before the clock was set back is as old as it is, and no reason to leave a refusal at that.
func TestRefusedTokenFromAClockAheadIsRenewed(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	p.accounts.age = -2 * time.Hour
	c := p.dial(t)
	c.expect("* OK")
	c.send(loginLine)
	first := <-p.upstream.conns
	first.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi")
	tag, _, _ := strings.Cut(first.line(t), " ")
	first.send(tag + " NO AUTHENTICATE failed.")
	var second *upstreamConn
	waitFor(t, func() bool {
		select {
		case second = <-p.upstream.conns:
			return true
		default:
			return false
		}
	})
	second.admit(t)
	c.expect("a OK")
}
