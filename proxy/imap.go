package proxy

import "postern/auth"

// IMAP is the front, the upstream login and the tap of IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051).
func IMAP() Protocol { return imap{} }

type imap struct{}

func (imap) implicitTLS(string) bool              { return true }
func (imap) name() string                         { return "imap" }
func (imap) address(p auth.Provider) string       { return p.IMAP }
func (imap) offers(p auth.Provider) string        { return p.IMAPOffers }
func (imap) client(w *wire, o frontOptions) front { return &imapFront{w: w, o: o} }

func (imap) watch(login auth.Login, refused func(text string)) tap {
	t := newIMAPTap(refused)
	if login.ReadOnly {
		t.reader = &imapReader{}
	}
	return t
}

func (imap) allows(login auth.Login) error { return reads(login) }

func (imap) places(l Limits) int { return l.PerMailbox }
