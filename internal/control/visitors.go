package control

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	linkLife    = 2 * time.Minute // from `postern open` to the browser
	visitLife   = 12 * time.Hour  // then `postern open` again
	visitorsMax = 32              // browsers at once, and links not used yet; the oldest goes
)

// visitors are the browsers that may use the page: each came by a link that only the user who runs the
// daemon can get. They are forgotten when the daemon stops. Keys are hashes, so that looking one up takes no
// time that depends on a guess.
type visitors struct {
	mu    sync.Mutex
	links map[[32]byte]link
	in    map[[32]byte]*visitor
}

type link struct {
	until time.Time
	again bool // good for more than one browser
	user  int  // whose browser it is for; anyUser = no matter whose
}

// anyUser is no user's id. As that of a visitor it says that the system does not tell.
const anyUser = -1

// visitor is one browser with a cookie.
type visitor struct {
	until time.Time
	made  *madePassword // to be shown once
}

func hashed(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// invite makes the token of a link.
func (v *visitors) invite(l link) string {
	token := rand.Text()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.links == nil {
		v.links, v.in = map[[32]byte]link{}, map[[32]byte]*visitor{}
	}
	makeRoom(v.links, func(l link) time.Time { return l.until })
	v.links[hashed(token)] = l
	return token
}

// enter takes a link's token, which is used up by that, for a cookie. A user whom the link is not for does not use it
// up; root is not kept out, whose process may carry the connection for a browser (WSL).
func (v *visitors) enter(token string, user int) (cookie string, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, ok := v.links[hashed(token)]
	if ok && l.user != anyUser && user != anyUser && user != 0 && user != l.user {
		return "", false
	}
	if !l.again {
		delete(v.links, hashed(token))
	}
	if !ok || !time.Now().Before(l.until) {
		return "", false
	}
	cookie = rand.Text()
	makeRoom(v.in, func(v *visitor) time.Time { return v.until })
	v.in[hashed(cookie)] = &visitor{until: time.Now().Add(visitLife)}
	return cookie, true
}

// makeRoom drops what is over and, when there are too many, what is over next.
func makeRoom[V any](all map[[32]byte]V, until func(V) time.Time) {
	now := time.Now()
	var first [32]byte
	var firstUntil time.Time
	for key, v := range all {
		u := until(v)
		if !now.Before(u) {
			delete(all, key)
			continue
		}
		if firstUntil.IsZero() || u.Before(firstUntil) {
			first, firstUntil = key, u
		}
	}
	if len(all) >= visitorsMax {
		delete(all, first)
	}
}

// of returns the visitor that a request comes from; nil when its cookie is none of ours or is over.
func (v *visitors) of(r *http.Request) *visitor {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.in[hashed(cookie.Value)]
	if found == nil || !time.Now().Before(found.until) {
		return nil
	}
	return found
}

// leave forgets the visitor that a request comes from.
func (v *visitors) leave(r *http.Request) {
	if cookie, err := r.Cookie(cookieName(r)); err == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.in, hashed(cookie.Value))
	}
}

// keep gives a visitor a password to be shown.
func (v *visitors) keep(who *visitor, made madePassword) {
	v.mu.Lock()
	defer v.mu.Unlock()
	who.made = &made
}

// take returns the password that a visitor is to be shown, once.
func (v *visitors) take(who *visitor) *madePassword {
	v.mu.Lock()
	defer v.mu.Unlock()
	made := who.made
	who.made = nil
	return made
}

// cookieName has the port in it: browsers send cookies to every port of a host, and two daemons must not
// overwrite each other's.
func cookieName(r *http.Request) string {
	_, port, _ := strings.Cut(strings.TrimPrefix(r.Host, "[::1]"), ":")
	return "postern-" + port
}
