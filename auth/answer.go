package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// answer is what the token endpoint (RFC 6749 section 5.1) and the device endpoint (RFC 8628 section 3.2) say.
type answer struct {
	oauthError
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    number `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token"`
	Scope        words  `json:"scope"`
	IDToken      string `json:"id_token"`

	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	VerificationURL string `json:"verification_url"` // Google's spelling
	Interval        number `json:"interval"`         // seconds
	Message         string `json:"message"`
}

// decode takes what it can: a member of another type than expected stays empty.
func (a *answer) decode(body []byte) error {
	err := json.Unmarshal(body, a)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return nil
	}
	return err
}

const (
	usualLife = time.Hour           // where the provider does not say
	mostLife  = 30 * 24 * time.Hour // no provider gives more; keeps sums within time.Duration
)

// life is how long the access token lives.
func (a *answer) life() time.Duration {
	switch s := int64(a.ExpiresIn); {
	case s <= 0:
		return usualLife
	case s > int64(mostLife/time.Second):
		return mostLife
	default:
		return time.Duration(s) * time.Second
	}
}

// checkToken finds what no mail server would take.
func (a *answer) checkToken(at about) *Problem {
	at.detail = "it has no access token"
	switch {
	case a.AccessToken == "":
	case strings.ContainsFunc(a.AccessToken, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		at.detail = "its access token has characters that no token has"
	case a.TokenType != "" && !strings.EqualFold(a.TokenType, "bearer"):
		at.detail = a.TokenType
		return newProblem("token-type", at)
	default:
		return nil
	}
	return newProblem("bad-response", at)
}

// number is a whole number that some providers write as a string (Microsoft's v1 endpoints and 21Vianet). What
// is no number is 0.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `" `)
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = number(i)
	} else if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < 1<<53 {
		*n = number(f)
	}
	return nil
}

// numbers is a list of AADSTS numbers.
type numbers []int

func (l *numbers) UnmarshalJSON(b []byte) error {
	var raw []number
	if json.Unmarshal(b, &raw) == nil {
		for _, n := range raw {
			if n > 0 && n < 1e9 {
				*l = append(*l, int(n))
			}
		}
	}
	return nil
}

// words is a list that is written as one string, or by some as an array.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	var many []string
	if json.Unmarshal(b, &one) == nil {
		*w = strings.Fields(one)
	} else if json.Unmarshal(b, &many) == nil {
		*w = many
	}
	return nil
}

// refusal gives those who follow a protocol the error object back.
type refusal struct{ oauthError }

func (r *refusal) Error() string { return "the provider answered " + r.value() }

// oauthValue is the error value that the provider gave, "" when it gave none.
func (p *Problem) oauthValue() string {
	if p == nil {
		return ""
	}
	if r, ok := p.Err.(*refusal); ok {
		return r.value()
	}
	return ""
}
