package migration

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"postern/internal/store"
)

// sealedBy is a token as email-oauth2-proxy's library writes it, here for other lengths than the sample's.
func sealedBy(t *testing.T, password string, iterations int, text string) string {
	t.Helper()
	key, err := pbkdf2.Key(sha256.New, password, []byte("0123456789abcdef"), iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	padding := aes.BlockSize - len(text)%aes.BlockSize
	plain := append([]byte(text), bytes.Repeat([]byte{byte(padding)}, padding)...)
	iv := []byte("fedcba9876543210")
	block, _ := aes.NewCipher(key[16:])
	body := append([]byte{0x80, 0, 0, 0, 0, 1, 2, 3, 4}, iv...)
	crypted := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(crypted, plain)
	body = append(body, crypted...)
	h := hmac.New(sha256.New, key[:16])
	h.Write(body)
	return base64.URLEncoding.EncodeToString(h.Sum(body))
}

const testSalt = "MDEyMzQ1Njc4OWFiY2RlZg==" // 0123456789abcdef

func TestSealed(t *testing.T) {
	// Written by Python's cryptography 48 (Fernet) from "local pass wörd", 100,000 iterations.
	const sample = "gAAAAABlU_EAZGVmZ2hpamtsbW5vcHFyc9R6cZewZfqGm3VjxGOkYNIUn_CaXvEP7PEknvSInwKgdhRsmd-7LcBGbXuAohwQwiu9tNLT_B7kYPwU5RSb2HT0lbF5cTwkr_KypSiNK1qB"
	s := &Sealed{salt: "AAECAwQFBgcICQoLDA0ODw==", iterations: 100_000, refresh: sample}
	refresh, secret, err := s.Open(store.NewSecret("local pass wörd"))
	if err != nil || refresh.Reveal() != "0.AXoA-sample-refresh-token-of-ann" || !secret.IsZero() {
		t.Errorf("got %q, %q, %v", refresh.Reveal(), secret.Reveal(), err)
	}
	if _, _, err := s.Open(store.NewSecret("local pass word")); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("another password: %v", err)
	}
	for _, text := range []string{"", "x", strings.Repeat("y", 15), strings.Repeat("z", 16), strings.Repeat("long ", 600)} {
		s := &Sealed{salt: testSalt, iterations: 10, refresh: sealedBy(t, "pw", 10, text), clientSecret: sealedBy(t, "pw", 10, "its secret")}
		refresh, secret, err := s.Open(store.NewSecret("pw"))
		if err != nil || refresh.Reveal() != text || secret.Reveal() != "its secret" {
			t.Errorf("%d bytes: got %q, %q, %v", len(text), refresh.Reveal(), secret.Reveal(), err)
		}
	}
	good := sealedBy(t, "pw", 10, "refresh")
	for what, s := range map[string]*Sealed{
		"no salt":             {iterations: 10, refresh: good},
		"too many iterations": {salt: testSalt, iterations: maxIterations + 1, refresh: good},
		"negative iterations": {salt: testSalt, iterations: -1, refresh: good},
		"cut off":             {salt: testSalt, iterations: 10, refresh: good[:40]},
		"no base64":           {salt: testSalt, iterations: 10, refresh: "plain text"},
		"another version":     {salt: testSalt, iterations: 10, refresh: "A" + good[1:]},
	} {
		if _, _, err := s.Open(store.NewSecret("pw")); err == nil || errors.Is(err, ErrWrongPassword) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestINI(t *testing.T) {
	got := readINI("ignored = yes\n[A B]\nKey = a = b\n; no\n# no\nlong: one\n\ttwo [x]\n\n   three\nempty =\n[second]\nkey=1\n")
	if len(got) != 2 || got[0].name != "A B" || got[1].get("key") != "1" {
		t.Fatalf("%+v", got)
	}
	want := map[string]string{"key": "a = b", "long": "one\ntwo [x]\nthree", "empty": ""}
	if !maps.Equal(got[0].values, want) || !slices.Equal(got[0].order, []string{"key", "long", "empty"}) {
		t.Errorf("%q", got[0])
	}
}

func TestProperties(t *testing.T) {
	got := readProperties("# c\n! c\na=1\nb : 2\nc 3\nlong=x\\\n   y\\\\\nd\\:e = \\u00e4\\=\nempty=\nlast")
	want := map[string]string{"a": "1", "b": "2", "c": "3", "long": `xy\`, "d:e": "ä=", "empty": "", "last": ""}
	if !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestNested(t *testing.T) {
	got, err := readNested("---\n# c\ntop:\n  one:\n    a: x y # c\n    b: 'p # q'\n    c: first\n      second\n  two:\n    a: \"z\"\nnext:\n    three:\n        d: 1:2\n")
	if err != nil {
		t.Fatal(err)
	}
	one := map[string]string{"a": "x y", "b": "p # q", "c": "first second"}
	if !maps.Equal(got["top"]["one"], one) || got["top"]["two"]["a"] != "z" || got["next"]["three"]["d"] != "1:2" {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{"- a\n- b\n", "a:\n  b:\n    c:\n      d:\n        e: f\n      x y\n  - z\n", "a: b\nno colon\n"} {
		if got, err := readNested(bad); err == nil && bad != "" {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestOpenPGP(t *testing.T) {
	for text, want := range map[string]bool{
		"\n-----BEGIN PGP MESSAGE-----\n": true, "\x85\x01\x0c\x03": true, "\xc1\xc0\x4c\x03": true, "\x8c\x0d\x04": true, "\xc3\x0d": true,
		"{}": false, "": false, "[IMAP-1]": false, "\ufeff{}": false, "äöü": false,
	} {
		if got := isOpenPGP([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Secrets are of a type that does not print; an error must not have one of its own accord.
func TestErrorsHaveNoSecrets(t *testing.T) {
	for _, text := range []string{
		`account "x" { token_uri = "u"; client_secret "TOPSECRET"; }`,
		`account "x" { token_uri = "u"; client_secret = "TOPSECRET }`,
		`account "x" { token_uri = "u"; client_secret = "TOPSECRET" } "TOPSECRET"`,
		`{"registration": "microsoft", "refresh_token": "TOPSECRET"`,
		"services:\n  microsoft:\n    client_id: x\n    client_secret: TOPSECRET\n  TOPSECRET\n",
	} {
		if _, err := Read([]byte(text)); err == nil || strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"[IMAP-1993]\nserver_address = a\nserver_port = 1\n[a@b]\ntoken_url = https://x/y\nrefresh_token = z\ntoken_salt = AAAA\n",
		"davmail.mode=O365Manual\ndavmail.oauth.a@b.refreshToken=\\\n x\\u0", `{"registration":"google","email":"a@b"}`,
		`{"email":{"unEmailAddress":"a@b"},"refresh_token":"r","service":"microsoft"}`, "services:\n  google:\n    client_id: x\n      y\n",
		`account "a@b" { token_uri = "u"; scopes = ["a", "b"]; auth_uri_fields = { "login_hint": "x" }; } // c`, "\x85",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Read(text)
		if (s == nil) == (err == nil) {
			t.Fatalf("%v and %v", s, err)
		}
		if s != nil && s.Format == "" {
			t.Error("no format")
		}
	})
}
