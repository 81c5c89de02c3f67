package emulator

import (
	"net/url"
	"slices"
	"time"
)

// family is every refresh token that descends from one sign-in.
type family struct {
	user    *User
	client  *Client
	granted scopes
	dead    int // AADSTS number that every token of it meets; 0 = alive
}

type refreshToken struct {
	family     *family
	issued     time.Time
	used       bool // exchanged at least once
	again      int  // times it came back after that
	successors []*refreshToken
}

// refreshGrantLocked exchanges a refresh token, RFC 6749 section 6.
func (id *Identity) refreshGrantLocked(form url.Values, client *Client) (issue, *refusal) {
	value := form.Get("refresh_token")
	if value == "" {
		return issue{}, refuse(900144, "The request body must contain the following parameter: 'refresh_token'.")
	}
	t := id.refresh[value]
	if t == nil || t.family.client != client {
		return issue{}, refuse(70000)
	}
	if t.family.dead != 0 {
		return issue{}, refuse(t.family.dead)
	}
	if time.Since(t.issued) > id.policy.refreshLife() {
		return issue{}, refuse(700082)
	}
	if refused := id.checkReuseLocked(t); refused != nil {
		return issue{}, refused
	}
	asked, refused := askedScopes(form, t.family.granted, t.family.user)
	if refused != nil {
		return issue{}, refused
	}
	return issue{
		user:    t.family.user,
		client:  client,
		granted: t.family.granted,
		asked:   asked,
		family:  t.family,
		parent:  t,
	}, nil
}

// checkReuseLocked applies Policy.ReuseDetection to a token that is presented.
func (id *Identity) checkReuseLocked(t *refreshToken) *refusal {
	if !t.used || !id.policy.ReuseDetection {
		return nil
	}
	t.again++
	superseded := slices.ContainsFunc(t.successors, func(next *refreshToken) bool { return next.used })
	if !superseded && t.again <= id.policy.ReuseGrace {
		return nil
	}
	t.family.dead = 70000
	id.reuses++
	id.log.Warn("identity refresh token reused", "account", t.family.user.Address)
	return refuse(70000)
}

// rotateLocked makes the refresh token of an answer; the one presented stays good unless ReuseDetection says else.
// "" under NoRotation, when there is a token already.
func (id *Identity) rotateLocked(i issue, now time.Time) string {
	if i.parent != nil && id.policy.NoRotation {
		return ""
	}
	f := i.family
	if f == nil {
		f = &family{user: i.user, client: i.client, granted: i.granted}
		id.families = append(id.families, f)
	}
	value := newRefresh(i.user)
	t := &refreshToken{family: f, issued: now}
	id.refresh[value] = t
	if i.parent != nil {
		i.parent.used = true
		i.parent.successors = append(i.parent.successors, t)
	}
	return value
}
