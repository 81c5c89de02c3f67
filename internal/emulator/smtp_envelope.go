package emulator

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// envelope is a mail transaction under way.
type envelope struct {
	from       string
	parameters map[string]string
	utf8       bool
	to         []string
	notify     []string
	chunks     bytes.Buffer // of BDAT
	chunked    bool
	tooLarge   bool
}

// What MAIL and RCPT take besides an address: RFC 1870, 6152, 3030, 6531, 3461, 4954.
var (
	mailParameters = []string{"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"}
	rcptParameters = []string{"NOTIFY", "ORCPT"}
)

// begin answers MAIL.
func (c *smtpSession) begin(rest string) string {
	address, parameters, ok := parsePath(rest, "FROM:", mailParameters)
	switch {
	case !c.secure:
		return smtpNoTLS
	case c.login.Load() == nil:
		return smtpNoLogin
	case c.mail != nil:
		return smtpBadSequence
	case !ok:
		return smtpBadArguments
	}
	e := &envelope{from: address, parameters: make(map[string]string)}
	for _, parameter := range parameters {
		name, value, _ := strings.Cut(parameter, "=")
		e.parameters[strings.ToUpper(name)] = value
	}
	_, e.utf8 = e.parameters["SMTPUTF8"]
	if !e.takes(address) {
		return smtpBadAddress
	}
	if size, given := e.parameters["SIZE"]; given {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil || n < 0 {
			return smtpBadArguments
		}
		if n > c.opt.maxSize() {
			return smtpTooLarge
		}
	}
	c.mail = e
	return smtpSenderOK
}

// recipient answers RCPT.
func (c *smtpSession) recipient(rest string) string {
	if c.mail == nil || c.mail.chunked {
		if c.login.Load() == nil {
			return smtpNoLogin
		}
		return smtpBadSequence
	}
	address, parameters, ok := parsePath(rest, "TO:", rcptParameters)
	if !ok || address == "" {
		return smtpBadArguments
	}
	if !c.mail.takes(address) || !strings.Contains(address, "@") {
		return smtpBadAddress
	}
	c.mail.to = append(c.mail.to, address)
	c.mail.notify = append(c.mail.notify, strings.Join(parameters, " "))
	return smtpRecipientOK
}

// takes tells whether an address may be used: one in UTF-8 only when MAIL said SMTPUTF8 (RFC 6531 section 3.4).
func (e *envelope) takes(address string) bool {
	return e.utf8 || strings.IndexFunc(address, func(r rune) bool { return r >= 0x80 }) < 0
}

// parsePath reads "FROM:<ann@example.com> SIZE=1" (RFC 5321 section 4.1.2).
func parsePath(text, prefix string, known []string) (address string, parameters []string, ok bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return "", nil, false
	}
	text = strings.TrimLeft(text[len(prefix):], " ")
	text, ok = strings.CutPrefix(text, "<")
	address, rest, closed := strings.Cut(text, ">")
	if !ok || !closed || rest != "" && rest[0] != ' ' {
		return "", nil, false
	}
	for _, parameter := range strings.Fields(rest) {
		name, _, _ := strings.Cut(parameter, "=")
		if !slices.Contains(known, strings.ToUpper(name)) {
			return "", nil, false
		}
		parameters = append(parameters, parameter)
	}
	return address, parameters, true
}
