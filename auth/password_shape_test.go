package auth

import "testing"

func TestLooksLikePassword(t *testing.T) {
	for range 100 {
		if p := generate().Reveal(); !LooksLikePassword(p) || !LooksLikePassword(" "+p+"\n") {
			t.Errorf("%q is one", p)
		}
	}
	for _, s := range []string{"", "ann", "ann@example.com", "abcdef-abcde", "abcdef-abcde-abcde-abcde-abcde@example.com", "ann-b-c-d-e"} {
		if LooksLikePassword(s) {
			t.Errorf("%q is none", s)
		}
	}
}
