package main

import (
	"fmt"
	"strings"

	"postern/auth"
	"postern/proxy"
)

// Who everybody is. Microsoft's access tokens have some 1,600 characters.
const (
	localPassword = "UVXKNSIYMA2GOPDJTKLQH7WEZB"
	tokenLength   = 1600
)

// perAccount is how many sessions share an account: a mail client opens five to ten.
const perAccount = 8

// user is the account of the nth session.
func user(n int) string { return fmt.Sprintf("user%d@bench.example", n/perAccount) }

func accessToken() string {
	return strings.Repeat("a", tokenLength)
}

// proof is the initial response that logs user in (XOAUTH2).
func proof(user string) string {
	return proxy.XOAUTH2(user, auth.NewSecret(accessToken())).Reveal()
}
