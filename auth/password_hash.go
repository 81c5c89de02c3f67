package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"postern/internal/store"
)

// A generated password has too many bits to be guessed, so one round of SHA-256 does, which costs a login
// nothing. One that a person chose needs a hash that is slow to try (OWASP Password Storage Cheat Sheet:
// argon2id with 19 MiB, 2 passes, 1 lane).
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonLanes  = 1
	saltLength  = 16
	hashLength  = 32

	// Mail clients open five to ten connections at once; more of these computations at a time would only
	// take memory.
	slowAtOnce = 2

	// Limits for hashes that somebody else made.
	mostArgonMemory = 256 << 10
	mostArgonPasses = 16
	mostArgonLanes  = 16
)

// hash is a stored password: "sha256$salt$hash" or "argon2id$v=19$m=19456,t=2,p=1$salt$hash", salt and hash in
// base64 without padding. The second is the PHC string format, whose leading $ may be there.
type hash struct {
	slow          bool
	memory        uint32 // KiB
	passes        uint32
	lanes         uint8
	salt, derived []byte
}

func hashGenerated(password Secret) string {
	h := hash{salt: newSalt()}
	return "sha256$" + encodePlain(h.salt) + "$" + encodePlain(h.derive(password))
}

func newSalt() []byte {
	salt := make([]byte, saltLength)
	rand.Read(salt)
	return salt
}

func encodePlain(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// derive computes the hash of a password with h's salt and cost.
func (h hash) derive(password Secret) []byte {
	if h.slow {
		return argon2.IDKey([]byte(password.Reveal()), h.salt, h.passes, h.memory, h.lanes, uint32(max(len(h.derived), hashLength)))
	}
	d := sha256.New()
	d.Write(h.salt)
	d.Write([]byte(password.Reveal()))
	return d.Sum(nil)
}

func (h hash) fits(password Secret) bool {
	return subtle.ConstantTimeCompare(h.derive(password), h.derived) == 1
}

// decoy costs what a chosen password costs, and no password fits.
var decoy = hash{slow: true, memory: argonMemory, passes: argonPasses, lanes: argonLanes, salt: make([]byte, saltLength), derived: make([]byte, hashLength)}

// HashPassword is for deployments that declare their accounts: it returns what password_hash takes for email's
// account, and the password, generated unless one was chosen. The error says what is wrong with the address or with a
// chosen one.
func HashPassword(email string, chosen Secret) (Secret, string, error) {
	if err := checkAddress(email); err != nil {
		return Secret{}, "", err
	}
	if chosen.IsZero() {
		password := generate()
		return password, hashGenerated(password), nil
	}
	if err := checkStrength(chosen, addressKey(email)); err != nil {
		return Secret{}, "", err
	}
	return chosen, hashChosen(chosen), nil
}

func hashChosen(password Secret) string {
	h := decoy
	h.salt = newSalt()
	return fmt.Sprintf("argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes,
		encodePlain(h.salt), encodePlain(h.derive(password)))
}

func (m *Manager) takeTurn(ctx context.Context) error {
	select {
	case m.slow <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("check the password: %w", context.Cause(ctx))
	}
}

func (m *Manager) giveTurn() { <-m.slow }

// match returns the first candidate that the password fits, nil when there is none. Generated passwords are
// tried first, so that they never wait for slow hashes. Whoever is not let in pays for one slow hash at least:
// the time does not tell which accounts and passwords exist.
func (m *Manager) match(ctx context.Context, candidates []store.Password, password Secret) (*store.Password, error) {
	var found *store.Password
	var slow []hash
	var slowOf []*store.Password
	for i := range candidates {
		h, err := parseHash(candidates[i].Hash)
		switch {
		case err != nil:
			m.log.Error("password not usable", "password", candidates[i].Label, "err", err)
		case h.slow:
			slow, slowOf = append(slow, h), append(slowOf, &candidates[i])
		case h.fits(password) && found == nil:
			found = &candidates[i]
		}
	}
	if found != nil && !isExpired(*found, time.Now()) {
		return found, nil
	}
	if len(slow) == 0 {
		slow, slowOf = []hash{decoy}, []*store.Password{nil}
	}
	for i, h := range slow {
		if err := m.takeTurn(ctx); err != nil {
			return nil, err
		}
		if h.fits(password) && found == nil {
			found = slowOf[i]
		}
		m.giveTurn()
	}
	return found, nil
}

// checkHash is for hashes that the configuration declares.
func checkHash(s string) error {
	if _, err := parseHash(s); err != nil {
		p := newProblem("password-hash", about{})
		p.Err = err
		return p
	}
	return nil
}

// parseHash never puts a part of s into its error.
func parseHash(s string) (hash, error) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(s, "$"), "$")
	h := hash{slow: kind == "argon2id"}
	switch {
	case kind != "sha256" && !h.slow:
		return hash{}, fmt.Errorf("password hash: unknown kind")
	case h.slow:
		var err error
		if rest, err = h.parseCost(rest); err != nil {
			return hash{}, err
		}
	}
	salt, derived, _ := strings.Cut(rest, "$")
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(salt); err == nil {
		h.derived, err = base64.RawStdEncoding.DecodeString(derived)
	}
	if err != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.derived) < hashLength/2 || len(h.derived) > 64 ||
		!h.slow && len(h.derived) != sha256.Size {
		return hash{}, fmt.Errorf("password hash: salt or hash is garbled")
	}
	return h, nil
}

func (h *hash) parseCost(s string) (rest string, err error) {
	version, rest, _ := strings.Cut(s, "$")
	cost, rest, ok := strings.Cut(rest, "$")
	if !ok || version != "v="+strconv.Itoa(argon2.Version) {
		return "", fmt.Errorf("password hash: it is no argon2id of version %d", argon2.Version)
	}
	for part := range strings.SplitSeq(cost, ",") {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseUint(value, 10, 32)
		switch {
		case err != nil:
			return "", fmt.Errorf("password hash: its cost is garbled")
		case name == "m" && n <= mostArgonMemory:
			h.memory = uint32(n)
		case name == "t" && n <= mostArgonPasses:
			h.passes = uint32(n)
		case name == "p" && n <= mostArgonLanes:
			h.lanes = uint8(n)
		}
	}
	if h.memory == 0 || h.passes == 0 || h.lanes == 0 {
		return "", fmt.Errorf("password hash: its cost is missing, or out of bounds")
	}
	return rest, nil
}
