package auth

import (
	"regexp"
	"strings"
)

var generatedShape = regexp.MustCompile(`^[a-z2-7]{6}(-[a-z2-7]{5}){4}$`)

// LooksLikePassword says whether a text has the form of a generated local password: a person may type one where
// something else belongs that is shown or logged.
func LooksLikePassword(text string) bool {
	return generatedShape.MatchString(strings.ToLower(strings.TrimSpace(text)))
}
