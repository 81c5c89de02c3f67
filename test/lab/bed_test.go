package lab

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The bed itself: what the other tests take for granted, seen without Postern.
func TestBedTokens(t *testing.T) {
	needServers(t)
	good := signIn(t, erin)
	foreign := signIn(t, frank)

	revoked := signIn(t, erin)
	revoke(t, revoked.Access)

	lifetime(t, erin, 1)
	expired := signIn(t, erin)
	lifetime(t, erin, 3600)
	eventually(t, 20*time.Second, "a token of one second expires", func() bool { return !active(t, expired.Access) })

	refusal := map[string]string{"XOAUTH2": `"status":"401"`, "OAUTHBEARER": `"status":"invalid_token"`}
	for _, server := range []struct {
		name, addr string
		mechanisms []string
	}{
		{"oauth", lab.oauth, []string{"XOAUTH2", "OAUTHBEARER"}},
		{"bearer", lab.bearer, []string{"OAUTHBEARER"}},
	} {
		for _, mechanism := range server.mechanisms {
			for _, tc := range []struct {
				name, token string
				ok          bool
			}{
				{"good", good.Access, true},
				{"garbage", "garbage", false},
				{"another person's", foreign.Access, false},
				{"expired", expired.Access, false},
				{"revoked", revoked.Access, false},
			} {
				t.Run(server.name+"/"+mechanism+"/"+tc.name, func(t *testing.T) {
					c := dial(t, server.addr)
					challenge, status := c.authenticate(mechanism, erin, tc.token)
					if strings.HasPrefix(status, "OK") != tc.ok {
						t.Fatalf("status %q", status)
					}
					if tc.ok {
						if n := len(c.messages("INBOX")); n != 5 {
							t.Errorf("%d messages in INBOX, want 5", n)
						}
						return
					}
					if !strings.Contains(challenge, refusal[mechanism]) || !strings.HasPrefix(status, "NO [AUTHENTICATIONFAILED]") {
						t.Errorf("challenge %q, status %q", challenge, status)
					}
				})
			}
		}
	}
}

func TestBedRefusesPasswords(t *testing.T) {
	needServers(t)
	t.Run("LOGIN", func(t *testing.T) {
		if status := dial(t, lab.oauth).login(erin, lab.mailPassword); !strings.HasPrefix(status, "NO") {
			t.Error(status)
		}
	})
	t.Run("AUTHENTICATE PLAIN", func(t *testing.T) {
		c := dial(t, lab.oauth)
		c.write("a AUTHENTICATE PLAIN AGVyaW5AZXhhbXBsZS50ZXN0AGRpcmVjdC1wdy0x\r\n") // erin@example.test, direct-pw-1
		if r := c.response(); !strings.HasPrefix(r, "a NO") {
			t.Error(r)
		}
	})
	if !strings.Contains(dovecotLog(t), lab.mailPassword) {
		t.Error("Dovecot's log does not show what was tried: checkSecrets would find nothing")
	}
	t.Run("no other mechanism than OAUTHBEARER", func(t *testing.T) {
		c := dial(t, lab.bearer)
		capability := strings.Join(c.ok("CAPABILITY"), " ")
		if strings.Count(capability, "AUTH=") != 1 || !strings.Contains(capability, "AUTH=OAUTHBEARER") {
			t.Error(capability)
		}
	})
}

// The two services beside IMAP ask about tokens as well, and what is submitted ends in the sink.
func TestBedOtherDoors(t *testing.T) {
	needServers(t)
	good := signIn(t, erin).Access
	for _, d := range []doors{oauthDoors(), bearerDoors()} {
		for token, ok := range map[string]bool{good: true, "garbage": false} {
			proof := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "n,a=%s,\x01auth=Bearer %s\x01\x01", erin, token))
			smtp, pop := dialLines(t, d.smtp), secureLines(t, d.pop3)
			smtp.want("EHLO client.example.test", "250 ")
			pop.want("AUTH OAUTHBEARER", "+ ")
			smtp.want("AUTH OAUTHBEARER", "334 ")
			if ok {
				pop.want(proof, "+OK")
				smtp.want(proof, "235 ")
				continue
			}
			pop.want(proof, "+ ")
			pop.want("AQ==", "-ERR [AUTH]")
			smtp.want(proof, "334 ")
			smtp.want("AQ==", "535 ")
		}
	}
	smtp := dialLines(t, lab.oauthSMTP)
	smtp.want("EHLO client.example.test", "250 ")
	smtp.want("MAIL FROM:<"+erin+">", "530 ")
}

// A rotated refresh token that comes back ends the whole family: the tests of rotation rest on this.
func TestBedRotation(t *testing.T) {
	needServers(t)
	refresh := func(token string) tokens {
		return requestTokens(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	first := signIn(t, frank)
	granted, refused := refreshes(t, frank)
	second := refresh(first.Refresh)
	if second.Access == "" || second.Refresh == "" || second.Refresh == first.Refresh {
		t.Fatalf("no rotation: %q", second.Error)
	}
	if got := refresh(first.Refresh); got.Error != "invalid_grant" {
		t.Errorf("a used refresh token: %q, want invalid_grant", got.Error)
	}
	if got := refresh(second.Refresh); got.Error != "invalid_grant" {
		t.Errorf("its successor: %q, want invalid_grant", got.Error)
	}
	if active(t, second.Access) {
		t.Error("the family's access token is still active")
	}
	g, r := refreshes(t, frank)
	if g-granted != 1 || r-refused < 1 {
		t.Errorf("counted %d refreshes granted and %d refused", g-granted, r-refused)
	}
}

func TestBedRevocation(t *testing.T) {
	needServers(t)
	refresh := func(token string) tokens {
		return requestTokens(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	first := signIn(t, frank)
	revoke(t, first.Access)
	second := refresh(first.Refresh)
	if second.Access == "" {
		t.Fatalf("refresh after the access token's end: %q", second.Error)
	}
	revokeAll(t, second.Access)
	if got := refresh(second.Refresh); got.Error != "invalid_grant" {
		t.Errorf("refresh after the sign-in's end: %q, want invalid_grant", got.Error)
	}
}

func TestBedPersonCancels(t *testing.T) {
	needServers(t)
	p := newPerson(frank)
	p.cancel = true
	_, at, _, err := p.visit(endpoint("authorize")+"?"+url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {"http://localhost:1/"}, "state": {"s"},
		"scope": {imapScope}, "code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"},
	}.Encode(), "")
	// Nobody listens at localhost:1: the error carries the link.
	if err == nil || !strings.Contains(err.Error(), "error=access_denied") {
		t.Errorf("at %v: %v", at, err)
	}
}
