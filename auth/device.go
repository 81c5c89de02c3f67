package auth

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// DeviceSignIn is one sign-in with a code that the person types on another device (RFC 8628). Show who asks:
// codes that come from somebody else are a common trap. The page is never opened with the code filled in.
type DeviceSignIn struct {
	URI     string    // the page to open
	Code    string    // what to type there
	Message string    // the provider's own words for both; may be empty
	Expires time.Time // of the code

	signIn
	deviceCode string
	interval   time.Duration
}

const (
	usualInterval = 5 * time.Second  // RFC 8628 section 3.2
	slowerBy      = 5 * time.Second  // RFC 8628 section 3.5
	mostInterval  = time.Minute      // nobody wants to wait longer after typing the code
	usualCodeLife = 15 * time.Minute // Microsoft's, where the answer does not say
)

// BeginDevice asks the provider for a code. ErrUnknownAccount, or a *Problem.
func (m *Manager) BeginDevice(ctx context.Context, email string) (*DeviceSignIn, error) {
	s, err := m.newSignIn(ctx, email, FlowDevice)
	if err != nil {
		return nil, err
	}
	d := &DeviceSignIn{signIn: *s}
	if p := d.askCode(ctx); p != nil {
		return nil, d.ended(p)
	}
	d.started()
	return d, nil
}

// CheckApp asks the provider for a code that nobody is shown, because the answer tells whether it knows the account's
// app. No sign-in begins, and none is logged. Errors are those of BeginDevice.
func (m *Manager) CheckApp(ctx context.Context, email string) error {
	s, err := m.newSignIn(ctx, email, FlowDevice)
	if err != nil {
		return err
	}
	d := &DeviceSignIn{signIn: *s}
	if p := d.askCode(ctx); p != nil {
		return p
	}
	return nil
}

func (d *DeviceSignIn) askCode(ctx context.Context) *Problem {
	form := url.Values{"scope": {strings.Join(d.account.signInScopes(), " ")}}
	if p := d.account.prove(form); p != nil {
		return p
	}
	before := time.Now().Round(0)
	got, p := d.m.endpoint.post(ctx, d.account, d.account.Provider.DeviceURL, form)
	if p == nil {
		p = d.show(got, before)
	}
	if p != nil {
		return d.explain(p)
	}
	return nil
}

// show fills in what the person has to see.
func (d *DeviceSignIn) show(got answer, at time.Time) *Problem {
	d.URI, d.Code, d.Message = got.VerificationURI, printable(got.UserCode, 60), printable(got.Message, 500)
	if d.URI == "" {
		d.URI = got.VerificationURL
	}
	d.deviceCode = got.DeviceCode
	if d.deviceCode == "" || d.Code == "" || checkURL(d.URI) != nil {
		return newProblem("bad-response", about{account: d.account, host: hostOf(d.account.Provider.DeviceURL), detail: "it has no code, or no page to type it on"})
	}
	d.Expires = at.Add(usualCodeLife)
	if got.ExpiresIn > 0 {
		d.Expires = at.Add(min(time.Duration(min(got.ExpiresIn, 86400))*time.Second, 24*time.Hour))
	}
	d.interval = usualInterval
	if got.Interval > 0 {
		d.interval = min(time.Duration(min(got.Interval, 3600))*time.Second, mostInterval)
	}
	return nil
}

// Wait asks the provider until the person has typed the code, and keeps the tokens. nil when the account is
// signed in, a *Problem when not, or the cause of ctx, after which it may be called again. One goroutine at a
// time.
func (d *DeviceSignIn) Wait(ctx context.Context) error {
	if err := d.m.begin(); err != nil {
		return err
	}
	defer d.m.running.Done()
	ctx, cancel := d.m.whileOpen(ctx)
	defer cancel()
	for wait := d.interval; ; {
		if !sleep(ctx, wait) {
			return fmt.Errorf("wait for the sign-in: %w", context.Cause(ctx))
		}
		if !time.Now().Round(0).Before(d.Expires) {
			return d.ended(newProblem("expired_token", about{account: d.account}))
		}
		got, before, p := d.poll(ctx)
		switch {
		case p == nil:
			return d.ended(d.keep(ctx, got, d.account.signInScopes(), before))
		case ctx.Err() != nil:
			return fmt.Errorf("wait for the sign-in: %w", context.Cause(ctx))
		case !passes(p):
			return d.ended(d.explain(p))
		}
		wait = d.next(wait, p)
	}
}

// poll asks once, RFC 8628 section 3.4.
func (d *DeviceSignIn) poll(ctx context.Context) (answer, time.Time, *Problem) {
	return d.m.ask(ctx, d.account, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d.deviceCode},
	})
}

// passes tells what the code outlives: that nobody has typed it yet, and troubles of the network.
func passes(p *Problem) bool {
	value := p.oauthValue()
	_, known := rowFor(value)
	return p.Class == Retry && (value == "" || known)
}

// next is how long to wait after p. "slow_down" holds for all further requests, RFC 8628 section 3.5, which
// also asks for longer waits when the network fails.
func (d *DeviceSignIn) next(wait time.Duration, p *Problem) time.Duration {
	switch p.oauthValue() {
	case "authorization_pending":
		return d.interval
	case "slow_down":
		d.interval += slowerBy
		return d.interval
	}
	return max(min(2*wait, mostInterval), d.interval, p.pause, p.retryAfter)
}

// explain adds what helps when a policy is in the way: often it is against device codes alone.
func (d *DeviceSignIn) explain(p *Problem) *Problem {
	if p.Class == Admin && strings.HasPrefix(p.Code, "AADSTS53") {
		p.Cure = "try the browser, for policies are often against device codes alone: postern login " + d.account.Email + "; or " + p.Cure
	}
	return p
}

// sleep waits for d, and returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
