package auth

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	leastLength   = 12
	mostLength    = 256 // bytes; IMAP clients send it in one line
	leastOriginal = 6   // different ones that stand in no list
	leastVariety  = 5   // different characters
)

// commonParts are what guessed passwords are made of: words of the published lists of common passwords, names
// that offer themselves here, and rows of keyboards.
var commonParts = strings.Fields(`password passwort passwd motdepasse contrasena senha parola wachtwoord secret geheim letmein
	welcome willkommen changeme default temporary iloveyou sunshine princess football baseball dragon monkey shadow master
	superman batman michael jordan charlie trustno starwars whatever freedom hello ninja administrator admin root user guest
	login access internet computer server printer scanner office company business outlook hotmail microsoft exchange
	windows google gmail yahoo mailbox email mail postern imap smtp
	spring summer autumn fall winter january february march april june july august september october november december
	fruehling sommer herbst monday tuesday wednesday thursday friday saturday sunday
	qwertyuiop qwertzuiop azertyuiop asdfghjkl yxcvbnm zxcvbnm qwerty qwertz azerty asdfgh asdf zxcvbn zxcv qazwsx wsxedc
	abcdefghijklmnopqrstuvwxyz abcdefgh abcdef abcd 01234567890 1234567890 123456789 12345678 1234567 123456 12345 1234 123
	0987654321 987654321 87654321 7654321 654321 54321 4321 321 abc xyz test demo pass !@#$%^&*() !@#$%^&* !@#$%^ !@#$`)

// lookalikes undo what people write for letters.
var lookalikes = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i", "€", "e")

var years = regexp.MustCompile(`(19|20)\d\d`)

// checkStrength refuses a password that a person chose and somebody else would guess. The error says why, and
// never quotes it.
func checkStrength(password Secret, email string) error {
	p := password.Reveal()
	local, _, _ := strings.Cut(email, "@")
	lower := strings.ToLower(p)
	switch {
	case utf8.RuneCountInString(p) < leastLength:
		return fmt.Errorf("the password is too short: at least %d characters", leastLength)
	case len(p) > mostLength:
		return fmt.Errorf("the password is too long: at most %d bytes", mostLength)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return errors.New("the password has characters that mail clients can not send")
	case len(local) >= 3 && strings.Contains(lower, local), strings.Contains(lower, email):
		return errors.New("the password contains the mail address: choose another")
	case variety(lower) < leastVariety || isRow(lower) || original(lower) < leastOriginal:
		return errors.New("the password is easy to guess: choose four or more words that do not belong together, or let Postern generate one")
	}
	return nil
}

func variety(s string) int {
	runes := []rune(s)
	slices.Sort(runes)
	return len(slices.Compact(runes))
}

// isRow finds "abcabcabc", "aaaabbbbcccc" and "987654321": most characters are the one before or its neighbour, or
// everything is one part again and again.
func isRow(s string) bool {
	for n := 1; n <= len(s)/2; n++ {
		if strings.HasPrefix(strings.Repeat(s[:n], len(s)/n+1), s) {
			return true
		}
	}
	steps := 0
	runes := []rune(s)
	for i := range runes[1:] {
		if d := runes[i+1] - runes[i]; -1 <= d && d <= 1 {
			steps++
		}
	}
	return 5*steps > 3*len(runes)
}

// original counts the different characters that are left without the common parts.
func original(s string) int {
	least := len(s)
	for _, form := range []string{s, lookalikes.Replace(s)} {
		form = years.ReplaceAllString(form, " ")
		for _, part := range commonParts {
			form = strings.ReplaceAll(form, part, " ")
		}
		least = min(least, variety(strings.ReplaceAll(form, " ", "")))
	}
	return least
}
