package proxy

import (
	"strings"

	"postern/auth"
)

// SMTP is the front, the upstream login and the tap of message submission (RFC 6409, RFC 4954).
func SMTP() Protocol { return smtp{} }

type smtp struct{}

func (smtp) name() string                         { return "smtp" }
func (smtp) address(p auth.Provider) string       { return p.SMTP }
func (smtp) offers(auth.Provider) string          { return "" }
func (smtp) client(w *wire, o frontOptions) front { return newSMTPFront(w, o) }
func (smtp) watch(auth.Login, func(string)) tap {
	return newLineTap(smtpAfterLogin, smtpGoodbye)
}

func (smtp) allows(login auth.Login) error {
	if login.ReadOnly {
		return errNotAllowed("this local password may only read")
	}
	return nil
}

func (smtp) places(l Limits) int { return l.Submissions }

// implicitTLS is what port 465 is for (RFC 8314 section 3.3); on any other STARTTLS comes first.
func (smtp) implicitTLS(address string) bool { return strings.HasSuffix(address, ":465") }
