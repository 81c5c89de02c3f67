package auth

import (
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// response is the authorization response of RFC 6749 sections 4.1.2 and 4.1.2.1: a code, or an error.
type response struct {
	code    string
	refused oauthError
}

// Why something is not the answer to this sign-in, which goes on.
var (
	errNoAnswer = errors.New("there is no code in it")
	errRepeated = errors.New("a part of it comes twice")
	errState    = errors.New("it does not belong to this sign-in")
	errBoth     = errors.New("it says both yes and no")
)

// readResponse takes the parameters of the redirect. The state ties them to this browser and this sign-in (RFC
// 9700 section 2.1). Parameters that are not known, such as session_state, do not count.
func readResponse(q url.Values, state string) (response, error) {
	for _, values := range q {
		if len(values) > 1 {
			return response{}, errRepeated
		}
	}
	code, failure := q.Get("code"), q.Get("error")
	switch {
	case code == "" && failure == "":
		return response{}, errNoAnswer
	case subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1:
		return response{}, errState
	case code != "" && failure != "":
		return response{}, errBoth
	case failure != "":
		return response{refused: oauthError{Error: failure, Description: q.Get("error_description")}}, nil
	}
	return readCode(code)
}

// readCode checks what a code is made of (RFC 6749 appendix A.11).
func readCode(code string) (response, error) {
	if len(code) < leastCode || len(code) > mostCode || strings.ContainsFunc(code, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return response{}, errNoAnswer
	}
	return response{code: code}, nil
}

const (
	leastCode = 8 // what is shorter is a slip of the keyboard
	mostCode  = 16 << 10
)

// readPasted takes the address at which the browser ended, its query, or the code alone; whatever else stands
// behind the code, such as session_state, is cut off.
func readPasted(text, state string) (response, error) {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("\"'<>`", r) })
	query, isAddress := queryOf(text)
	if !isAddress {
		return readBareCode(text, state)
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return response{}, errNoAnswer
	}
	if !q.Has("state") && q.Has("code") && !q.Has("error") && len(q["code"]) == 1 {
		return readCode(q.Get("code"))
	}
	return readResponse(q, state)
}

// queryOf finds the parameters in an address; Microsoft may put them behind a # as well.
func queryOf(text string) (query string, ok bool) {
	if u, err := url.Parse(text); err == nil && u.Scheme != "" && u.Host != "" {
		if strings.Contains(u.Fragment, "code=") || strings.Contains(u.Fragment, "error=") {
			return u.EscapedFragment(), true
		}
		return u.RawQuery, true
	}
	if _, after, found := strings.Cut(text, "?"); found { // an address without its beginning
		return after, true
	}
	if strings.HasPrefix(text, "code=") || strings.Contains(text, "&code=") || strings.HasPrefix(text, "error=") {
		return text, true
	}
	return "", false
}

func readBareCode(text, state string) (response, error) {
	code, rest, more := strings.Cut(text, "&")
	if more {
		q, err := url.ParseQuery(rest)
		if err != nil || q.Has("state") && subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			return response{}, errState
		}
	}
	if decoded, err := url.PathUnescape(code); err == nil {
		code = decoded
	}
	return readCode(code)
}
