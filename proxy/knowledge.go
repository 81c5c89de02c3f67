package proxy

import (
	"slices"
	"strings"
	"sync"
	"time"

	"postern/auth"
)

// knowledge is what earlier logins have shown. It saves round trips; a login that goes wrong forgets it.
type knowledge struct {
	mu      sync.Mutex             // guards the maps
	servers map[string]string      // what a server offers before login, by protocol and address
	proved  map[string]provenBox   // by gateKey
	tokens  map[string]auth.Secret // the last that a mailbox took, by gateKey
	inOrder map[string]bool        // servers that want each answer read before the next command
	assumed map[string]bool        // by server: what was assumed of it has let us in; false where it has not
}

// provenBox is a mailbox that has answered.
type provenBox struct {
	after string // what it could do
	at    time.Time
}

// provenFor is how long a mailbox that has answered is taken to answer again. Clients open several
// connections at once: one probe is enough for all of them.
const provenFor = time.Minute

// server returns what a server offers before login: what it has shown, else what is assumed of it, as long as
// that has not let us down; "" when it has to be asked.
func (k *knowledge) server(p Protocol, address, assumed string) (offers string, isAssumed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := p.name() + " " + address
	if known := k.servers[key]; known != "" || assumed == "" {
		return known, false
	}
	if good, tried := k.assumed[key]; tried && !good {
		return "", false
	}
	return assumed, true
}

// doubt notes that a login with what was assumed of the server has failed, and says whether that may be the
// reason: not where it has been right before.
func (k *knowledge) doubt(p Protocol, address string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.judge(p, address, false)
}

// confirm notes that a login with what was assumed of the server has succeeded.
func (k *knowledge) confirm(p Protocol, address string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.judge(p, address, true)
}

// judge keeps the first judgement on what was assumed of a server, which it returns.
func (k *knowledge) judge(p Protocol, address string, good bool) bool {
	key := p.name() + " " + address
	if first, judged := k.assumed[key]; judged {
		return first
	}
	if k.assumed == nil {
		k.assumed = map[string]bool{}
	}
	k.assumed[key] = good
	return good
}

// mailbox returns what a mailbox could do, "" when it has not answered lately.
func (k *knowledge) mailbox(key string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.proved[key]; time.Since(m.at) < provenFor {
		return m.after
	}
	return ""
}

// wantsOrder says whether a server has lost what was sent to it in one piece.
func (k *knowledge) wantsOrder(p Protocol, address string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.inOrder[p.name()+" "+address]
}

func (k *knowledge) wantOrder(p Protocol, address string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.inOrder == nil {
		k.inOrder = map[string]bool{}
	}
	k.inOrder[p.name()+" "+address] = true
}

// accepted says whether the mailbox has taken this very token before.
func (k *knowledge) accepted(key string, token auth.Secret) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tokens[key] == token
}

// learn keeps what a login has shown. probed says that the mailbox has answered.
func (k *knowledge) learn(p Protocol, address, key string, w welcome, token auth.Secret, probed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.servers == nil {
		k.servers, k.proved, k.tokens = map[string]string{}, map[string]provenBox{}, map[string]auth.Secret{}
	}
	k.tokens[key] = token
	if w.before != "" {
		k.servers[p.name()+" "+address] = w.before
	}
	if probed && w.after != "" {
		k.proved[key] = provenBox{w.after, time.Now()}
	}
}

func (k *knowledge) forget(p Protocol, address, key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.servers, p.name()+" "+address)
	delete(k.proved, key)
}

// coreFeatures is what every submission server of the last twenty years can do.
var coreFeatures = []string{"PIPELINING", "8BITMIME"}

// features is what all servers of a protocol seen so far offer: a client that asks before its login gets
// one answer, and nobody knows yet which server it will be.
func (k *knowledge) features(p Protocol) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var common []string
	first := true
	for server, offers := range k.servers {
		if !strings.HasPrefix(server, p.name()+" ") {
			continue
		}
		these := strings.Split(offers, "\n")
		if first {
			common, first = these, false
		}
		common = slices.DeleteFunc(common, func(f string) bool { return !slices.Contains(these, f) || !forAnybody(f) })
	}
	if first {
		return coreFeatures
	}
	return common
}

// forAnybody leaves out what belongs to the upstream's own login and connection.
func forAnybody(feature string) bool {
	keyword, _, _ := strings.Cut(strings.ToUpper(feature), " ")
	return keyword != "" && keyword != "AUTH" && keyword != "STARTTLS" && !strings.HasPrefix(keyword, "X") &&
		responseText(feature) == feature
}
