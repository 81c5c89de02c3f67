package emulator

import "time"

// ExpiresForm is how a token answer states expires_in.
type ExpiresForm int

const (
	ExpiresNumber ExpiresForm = iota
	ExpiresString             // as version 1 endpoints and some national clouds do
	ExpiresAbsent
)

// Policy is what the identity platform does without being told to fail. The zero value is Microsoft's behaviour.
type Policy struct {
	// AutoApprove signs in without a form: authorize redirects at once, for login_hint's person or else the first
	// one, and a device code is approved by its first poll.
	AutoApprove bool

	AccessLife time.Duration // 0 = random, 60 to 90 minutes
	ExpiresIn  ExpiresForm

	RefreshLife time.Duration // since its issue; 0 = 90 days. Past it: AADSTS700082
	CodeLife    time.Duration // 0 = 10 minutes

	DeviceLife     time.Duration // 0 = 15 minutes
	DeviceInterval time.Duration // stated in whole seconds, at least one; 0 = 5 s
	DevicePending  int           // so many polls hear authorization_pending even when the person is done
	SlowDown       bool          // a poll sooner than DeviceInterval hears slow_down (RFC 8628 section 3.5)
	AccessDenied   bool          // a declined code says access_denied (RFC 8628), not authorization_declined

	// NoRotation is Google's way: the answer to a refresh carries no refresh token, the old one stays.
	NoRotation bool

	// ReuseDetection ends a family of refresh tokens (AADSTS70000) when a token that was already exchanged is
	// presented again after one of its successors was used, or more than ReuseGrace times before that.
	// Microsoft does not do it; RFC 9700 section 4.14.2 asks for it. Off: an exchanged token stays good.
	ReuseDetection bool

	// ReuseGrace is how many times an exchanged token may come again while none of its successors was ever used:
	// a client that lost the answer. 0 = never.
	ReuseGrace int
}

// Configure changes the policy; requests from now on follow it.
func (id *Identity) Configure(change func(*Policy)) {
	id.mu.Lock()
	defer id.mu.Unlock()
	change(&id.policy)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func (p Policy) codeLife() time.Duration       { return orDefault(p.CodeLife, 10*time.Minute) }
func (p Policy) refreshLife() time.Duration    { return orDefault(p.RefreshLife, 90*24*time.Hour) }
func (p Policy) deviceLife() time.Duration     { return orDefault(p.DeviceLife, 15*time.Minute) }
func (p Policy) deviceInterval() time.Duration { return orDefault(p.DeviceInterval, 5*time.Second) }
