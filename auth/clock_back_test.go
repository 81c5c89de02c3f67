package auth

import (
	"testing"
	"testing/synctest"
	"time"
)

// A machine that took the wrong time for right when it renewed a token, such as one that starts with its clock in
// another system's time zone, would go on with the token long after its end.
func TestTokenFromAClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(time.Hour)
		ahead := *f.record().Token
		ahead.RefreshedAt, ahead.Expiry = time.Now().Add(2*time.Hour), time.Now().Add(3*time.Hour)
		f.put(ahead)
		f.get("access-001-secret")
	})
}

// Where it was the sign-in that came with the clock ahead, one refresh is enough.
func TestSignInFromAClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(time.Hour)
		ahead := *f.record().Token
		ahead.SignedInAt, ahead.Expiry = time.Now().Add(2*time.Hour), time.Now().Add(3*time.Hour)
		f.put(ahead)
		for range 3 {
			f.get("access-001-secret")
		}
	})
}

// A clock that is set by some seconds is no reason to ask for another token.
func TestTokenFromAClockALittleAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(time.Hour)
		ahead := *f.record().Token
		ahead.RefreshedAt = time.Now().Add(20 * time.Second)
		f.put(ahead)
		f.get("first-access-secret")
	})
}
