//go:build unix

package auth

import (
	"os"
	"path/filepath"
	"testing"

	"postern/internal/store"
)

// A store that is taken away behind a refresh knows the token that the other process has written.
func TestStoreKnowsWhatAnotherProcessWrote(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	open := func() store.Store {
		s, err := store.OpenDir(state)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	one, two := newFixture(t, fixtureOptions{store: open()}), newFixture(t, fixtureOptions{store: open()})
	one.givesTo(two)
	one.signedIn(0)
	one.get("access-001-secret")
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if got := one.record().Token.Refresh.Reveal(); got != "refresh-001-secret" || two.id.count("") != 1 {
		t.Errorf("the store knows %q", got)
	}
}
