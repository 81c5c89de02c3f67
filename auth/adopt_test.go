package auth

import (
	"errors"
	"testing"
	"time"
)

// A refresh token of another program signs an account in, and never replaces what it has.
func TestAdopt(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	refresh := NewSecret("from-elsewhere")
	if err := f.Adopt(t.Context(), "nobody@example.com", refresh, nil); !errors.Is(err, ErrUnknownAccount) {
		t.Errorf("unknown account: %v", err)
	}
	scopes := []string{"https://outlook.office365.com/IMAP.AccessAsUser.All", "offline_access"}
	if err := f.Adopt(t.Context(), ann, refresh, scopes); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Token(t.Context(), ann); err != nil {
		t.Fatalf("the first access token: %v", err)
	}
	if got := f.id.last().Get("refresh_token"); got != "from-elsewhere" {
		t.Errorf("the provider got the refresh token %q", got)
	}
	kept := f.record().Token.Refresh
	if err := f.Adopt(t.Context(), ann, NewSecret("another"), scopes); !errors.Is(err, ErrSignedIn) {
		t.Errorf("a second time: %v", err)
	}
	if f.record().Token.Refresh != kept {
		t.Error("the refresh token was replaced")
	}
	if !f.log.has("sign-in adopted") {
		t.Error("no audit event")
	}
	if got := time.Since(f.record().Token.SignedInAt); got < 0 || got > time.Hour {
		t.Errorf("signed in %v ago", got)
	}
}
