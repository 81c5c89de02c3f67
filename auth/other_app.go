package auth

import "postern/internal/store"

// Tokens are noted with the app and the provider that they are from: the configuration may name others meanwhile,
// and those must not be shown them. A record of a version that did not note it has neither, and is believed.

// noted returns t as the account's own.
func (a Account) noted(t store.Token) store.Token {
	t.Provider, t.ClientID = a.Provider.Name, a.ClientID
	return t
}

func isFrom(t *store.Token, provider, clientID string) bool {
	return (t.Provider == "" || t.Provider == provider) && (t.ClientID == "" || t.ClientID == clientID)
}

// owns says whether the account's app got the tokens from its provider.
func (a Account) owns(t *store.Token) bool { return isFrom(t, a.Provider.Name, a.ClientID) }

// owns is Account.owns for an account that need not be completed for it. The record has tokens.
func (s *settings) owns(email string, rec store.Record) bool {
	if a, ok := s.declared[email]; ok {
		return a.owns(rec.Token)
	}
	return rec.Settings != nil && isFrom(rec.Token, rec.Settings.Provider, rec.Settings.ClientID)
}
