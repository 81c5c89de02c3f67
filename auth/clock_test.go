package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/store"
)

// A laptop that slept for two hours has the clock of two hours later, while timers and the monotonic clock stood
// still. What was stored has no monotonic reading, so the wall clock counts.
func TestWallClockCounts(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	f.get("access-001-secret")
	got := f.record().Token
	for name, at := range map[string]time.Time{"Expiry": got.Expiry, "RefreshedAt": got.RefreshedAt} {
		if at != at.Round(0) {
			t.Errorf("%s has a monotonic reading", name)
		}
	}
}

func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		f.signedIn(0)
		err := f.store.Update(t.Context(), ann, func(r *store.Record) error {
			r.Problem = &store.Problem{Class: "sign-in", Code: "x", Say: "x", At: time.Now().Add(time.Hour), RetryAt: time.Now().Add(2 * time.Hour)}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f.get("access-001-secret")
	})
}
