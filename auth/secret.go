package auth

import "postern/internal/store"

// Secret is a text that prints as REDACTED; only its Reveal method gives it away.
type Secret = store.Secret

// NewSecret wraps s.
func NewSecret(s string) Secret { return store.NewSecret(s) }
