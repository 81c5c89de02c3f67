package auth

import (
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"postern/internal/store"
)

// Two Managers on two stores in one directory are two processes, as far as either can tell.
func TestTwoProcessesMakeOneRefresh(t *testing.T) {
	id := newFakeIdentity()
	server := httptest.NewTLSServer(id)
	defer server.Close()
	dir := t.TempDir()
	provider := fakeProvider()
	provider.TokenURL = server.URL + "/{tenant}/token"
	provider.RootCAs = poolOf(server.Certificate())

	open := func() *fixture {
		s, err := store.OpenFile(filepath.Join(dir, "store"), store.FileKey(filepath.Join(dir, "key")))
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(Options{Store: s, Providers: map[string]Provider{"fake": provider}, Declared: []Account{annAccount()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close(); s.Close() })
		return &fixture{Manager: m, t: t, id: id, store: s}
	}
	one, two := open(), open()
	for round := 1; round <= 5; round++ {
		one.expire()
		var all sync.WaitGroup
		for _, f := range []*fixture{one, two, one, two} {
			all.Go(func() {
				if _, err := f.Token(t.Context(), ann); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		all.Wait()
		if n := id.count("refresh_token"); n != round {
			t.Fatalf("%d requests after round %d", n, round)
		}
	}
}

// expire makes the stored access token old and leaves the refresh token.
func (f *fixture) expire() {
	f.t.Helper()
	err := f.store.Update(f.t.Context(), ann, func(r *store.Record) error {
		if r.Token == nil {
			r.Token = &store.Token{Refresh: NewSecret("first-refresh-secret"), Access: NewSecret("first-access-secret")}
		}
		r.Token.Expiry, r.Token.RefreshedAt = time.Now(), time.Time{}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}
