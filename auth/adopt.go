package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"postern/internal/store"
)

// ErrSignedIn says that an account has tokens, which stay as they are.
var ErrSignedIn = errors.New("signed in already")

// Adopt gives an account the refresh token that another program of the user got for the same app, with the
// scopes that were granted to it. The first access token is fetched when one is needed; a refresh token that
// is no good any more shows then. ErrSignedIn, ErrUnknownAccount, or a *Problem.
func (m *Manager) Adopt(ctx context.Context, email string, refresh Secret, scopes []string) error {
	account, err := m.Account(ctx, email)
	if err != nil {
		return err
	}
	if refresh.IsZero() || account.Flow == FlowClientCredentials {
		return newProblem("app-flow", about{account: account})
	}
	ctx, cancel := unhurried(ctx)
	defer cancel()
	err = m.update(ctx, account.Email, func(r *store.Record) error {
		switch {
		case !account.Declared && r.Settings == nil: // removed meanwhile
			return unknownAccount(account.Email)
		case r.Token != nil:
			return ErrSignedIn
		}
		r.Token = new(account.noted(store.Token{Refresh: refresh, Scopes: slices.Clone(scopes), SignedInAt: time.Now().Round(0)}))
		r.Problem = nil
		return nil
	})
	if err == nil {
		m.forget(account.Email)
		m.log.Info("sign-in adopted", "account", account.Email, "audit", true)
	}
	return err
}
