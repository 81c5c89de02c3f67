package auth

import "testing"

func TestRefreshesAreCounted(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	f.signedIn(0)
	f.get("access-001-secret")
	f.expireNow()
	f.id.then(oauthFailure("invalid_grant", 700082))
	f.fails(SignIn, "AADSTS700082")
	got := f.Stats()
	if got.Refreshed != 1 || got.Failed["sign-in"] != 1 || got.Failed["retry"] != 0 || len(got.Failed) != int(Configuration) {
		t.Errorf("%+v", got)
	}
}
