package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"postern/auth"
	"postern/internal/store"
)

// keyless is a store that has lost its key.
type keyless struct{ store.Store }

func (keyless) View(context.Context, string) (store.Record, error) {
	return store.Record{}, fmt.Errorf("key file x is missing: %w; bring it back from a backup", store.ErrUnavailable)
}

func TestAccountsInTheLogOfAStart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		store store.Store
		want  []string
	}{
		"nobody signed in": {store.NewMemory(), []string{"level=INFO", `state="never signed in"`, `cure="postern login ann@example.com"`}},
		"the key is lost":  {keyless{store.NewMemory()}, []string{"level=WARN", "state=trouble", "key file x is missing", `cure="bring it back from a backup"`}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := auth.New(auth.Options{Store: tt.store, Declared: []auth.Account{{
				Email: "ann@example.com", Provider: auth.Provider{Name: "outlook"}, ClientID: "00000000-0000-4000-8000-000000000001", Declared: true,
			}}})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var said bytes.Buffer
			logAccounts(t.Context(), m, slog.New(slog.NewTextHandler(&said, nil)))
			for _, want := range append(tt.want, `msg="account not ready" account=ann@example.com`) {
				if !strings.Contains(said.String(), want) {
					t.Errorf("the log lacks %q:\n%s", want, &said)
				}
			}
		})
	}
}
