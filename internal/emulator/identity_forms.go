package emulator

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
)

func (s *signIn) askSignIn(problem string) answer {
	return htmlPage(http.StatusOK, signInPage, pageData{
		Action: "/" + s.tenant + "/login",
		Flow:   s.id,
		Login:  s.hint,
		Error:  problem,
	})
}

func (s *signIn) askConsent() answer {
	data := pageData{
		Action: "/" + s.tenant + "/consent",
		Flow:   s.id,
		Login:  s.user.Address,
		App:    s.client.Name,
		Device: s.device != nil,
	}
	for _, scope := range s.scopes {
		data.Scopes = append(data.Scopes, scope.asked)
	}
	return htmlPage(http.StatusOK, consentPage, data)
}

// signInForm takes the address and the password.
func (id *Identity) signInForm(r *http.Request) answer {
	id.mu.Lock()
	defer id.mu.Unlock()
	s := id.signInLocked(r.Form.Get("flow"))
	if s == nil {
		return errorPage(refuse(50089))
	}
	if r.Form.Get("cancel") != "" {
		return id.cancelLocked(s)
	}
	s.hint = strings.TrimSpace(r.Form.Get("login"))
	user := id.userLocked(s.hint)
	if user == nil || user.Password == "" ||
		subtle.ConstantTimeCompare([]byte(user.Password), []byte(r.Form.Get("passwd"))) != 1 {
		return s.askSignIn("AADSTS50126: " + findAADSTS(50126).text)
	}
	if !fitsTenant(user, s.tenant) {
		return errorPage(refuse(50020))
	}
	s.user = user
	return s.askConsent()
}

// consentForm takes the person's yes or no.
func (id *Identity) consentForm(r *http.Request) answer {
	id.mu.Lock()
	defer id.mu.Unlock()
	s := id.signInLocked(r.Form.Get("flow"))
	switch {
	case s == nil || s.user == nil:
		return errorPage(refuse(50089))
	case r.Form.Get("accept") == "":
		return id.cancelLocked(s)
	case s.device != nil:
		delete(id.signIns, s.id)
		s.device.approve(s.user)
		return htmlPage(http.StatusOK, messagePage,
			"You have signed in to "+s.client.Name+" on your device. You may now close this window.")
	}
	return id.finishLocked(s, s.user)
}

func (id *Identity) cancelLocked(s *signIn) answer {
	delete(id.signIns, s.id)
	if s.device != nil {
		s.device.declined = true
		return htmlPage(http.StatusOK, messagePage, "You declined. You may now close this window.")
	}
	return id.redirectError(s, refuse(65004))
}

func (id *Identity) signInLocked(flow string) *signIn {
	s := id.signIns[flow]
	if s == nil || time.Now().After(s.expires) {
		delete(id.signIns, flow)
		return nil
	}
	return s
}
