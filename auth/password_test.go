package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/store"
)

func (f *fixture) addPassword(n NewPassword) (Secret, PasswordInfo) {
	f.t.Helper()
	s, info, err := f.AddPassword(f.t.Context(), ann, n)
	if err != nil {
		f.t.Fatal(err)
	}
	return s, info
}

func TestGeneratedPassword(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	secret, info := f.addPassword(NewPassword{Label: "Thunderbird", ReadOnly: true})
	if !regexp.MustCompile(`^[a-z2-7-]{30}$`).MatchString(secret.Reveal()) {
		t.Errorf("password %q", secret.Reveal())
	}
	if !regexp.MustCompile(`^[a-z2-7]{6}$`).MatchString(info.ID) || info.Label != "Thunderbird" || info.Created.IsZero() || !info.Expires.IsZero() {
		t.Errorf("%+v", info)
	}
	for _, user := range []string{ann, "ANN@EXAMPLE.COM"} {
		login, err := f.CheckPassword(t.Context(), user, secret)
		if err != nil || login.Account.Email != ann || login.Account.Mailbox != ann || login.Label != "Thunderbird" || !login.ReadOnly || login.SendOnly {
			t.Errorf("%s: %+v, %v", user, login, err)
		}
	}
	for name, wrong := range map[string]string{
		"empty": "", "prefix": secret.Reveal()[:29], "longer": secret.Reveal() + "x", "upper case": strings.ToUpper(secret.Reveal()),
		"without hyphens": strings.ReplaceAll(secret.Reveal(), "-", ""), "another": generate().Reveal(), "the hash": f.record().Passwords[0].Hash,
	} {
		if _, err := f.CheckPassword(t.Context(), ann, NewSecret(wrong)); !errors.Is(err, ErrWrongPassword) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.CheckPassword(t.Context(), "bob@example.com", secret); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("unknown account: %v", err)
	}
	if hash := f.record().Passwords[0].Hash; !strings.HasPrefix(hash, "sha256$") || strings.Contains(hash, secret.Reveal()) {
		t.Errorf("hash %s", hash)
	}
}

func TestSeveralPasswords(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	one, first := f.addPassword(NewPassword{})
	two, second := f.addPassword(NewPassword{Label: "printer", SendOnly: true})
	chosen := NewSecret("plum harvest under seven bridges")
	three, third := f.addPassword(NewPassword{Label: "phone", Chosen: chosen})
	if three != chosen || first.Label != usualLabel || first.ID == second.ID || second.ID == third.ID {
		t.Errorf("%+v %+v %+v", first, second, third)
	}
	for _, p := range []Secret{one, two, three} {
		if _, err := f.CheckPassword(t.Context(), ann, p); err != nil {
			t.Error(err)
		}
	}
	if was, err := f.RevokePassword(t.Context(), ann, second.ID); err != nil || was.ID != second.ID || was.Label != second.Label {
		t.Fatal(err)
	}
	if _, err := f.RevokePassword(t.Context(), ann, "phone"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []Secret{two, three} {
		if _, err := f.CheckPassword(t.Context(), ann, p); !errors.Is(err, ErrWrongPassword) {
			t.Errorf("revoked: %v", err)
		}
	}
	f.addPassword(NewPassword{})
	for _, name := range []string{usualLabel, "phone", ""} {
		if _, err := f.RevokePassword(t.Context(), ann, name); err == nil {
			t.Errorf("revoked %q", name)
		}
	}
	left, err := f.Passwords(t.Context(), ann)
	if err != nil || len(left) != 2 || left[0].ID != first.ID {
		t.Errorf("%+v, %v", left, err)
	}
	for _, event := range []string{`msg="password added" account=ann@example.com password=printer`, `msg="password revoked" account=ann@example.com password=phone`} {
		if !strings.Contains(f.log.String(), event) {
			t.Errorf("no event %s", event)
		}
	}
}

func TestPasswordExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		secret, _ := f.addPassword(NewPassword{Label: "guest", Expires: time.Now().Add(time.Hour)})
		if _, err := f.CheckPassword(t.Context(), ann, secret); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if _, err := f.CheckPassword(t.Context(), ann, secret); !errors.Is(err, ErrWrongPassword) {
			t.Errorf("expired: %v", err)
		}
		if !strings.Contains(f.log.String(), `msg="password expired" account=ann@example.com password=guest`) {
			t.Error("nothing in the log")
		}
		for _, n := range []NewPassword{{Expires: time.Now()}, {Expires: time.Now().Add(-time.Hour)}, {ReadOnly: true, SendOnly: true}} {
			if _, _, err := f.AddPassword(t.Context(), ann, n); err == nil {
				t.Errorf("accepted %+v", n)
			}
		}
	})
}

func TestDeclaredPassword(t *testing.T) {
	generated, quick, err := HashPassword(ann, Secret{})
	if err != nil {
		t.Fatal(err)
	}
	words := NewSecret("four words of mine")
	_, slow, err := HashPassword(ann, words)
	if err != nil {
		t.Fatal(err)
	}
	// The reference argon2 command line tool writes a leading $.
	for hash, password := range map[string]Secret{quick: generated, slow: words, "$" + slow: words} {
		account := annAccount()
		account.PasswordHash = hash
		f := newFixture(t, fixtureOptions{account: &account})
		if login, err := f.CheckPassword(t.Context(), ann, password); err != nil || login.Label != "configuration" {
			t.Errorf("%+v, %v", login, err)
		}
		if _, err := f.CheckPassword(t.Context(), ann, NewSecret("other")); !errors.Is(err, ErrWrongPassword) {
			t.Error(err)
		}
	}
	if _, _, err := HashPassword("Ann@Example.com", NewSecret("Ann@example.com 1")); err == nil {
		t.Error("a password that contains the address is taken")
	}
	for _, bad := range []string{
		"plain", "sha256$", "sha256$AAAA$AAAA", "bcrypt$x$y", "argon2id$v=19$m=99999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"argon2id$v=19$m=19456,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "argon2id$v=16$m=8,t=1,p=1$AAAA$AAAA",
	} {
		account := annAccount()
		account.PasswordHash = bad
		_, err := New(Options{Store: store.NewMemory(), Providers: map[string]Provider{"fake": fakeProvider()}, Declared: []Account{account}})
		wantProblem(t, err, Configuration, "password-hash")
	}
}

// A garbled hash in the store is one password's trouble.
func TestGarbledHash(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	secret, _ := f.addPassword(NewPassword{})
	f.store.Update(t.Context(), ann, func(r *store.Record) error {
		r.Passwords = append([]store.Password{{ID: "x", Label: "broken", Hash: "sha256$!"}}, r.Passwords...)
		return nil
	})
	if _, err := f.CheckPassword(t.Context(), ann, secret); err != nil {
		t.Error(err)
	}
	if !strings.Contains(f.log.String(), "password not usable") {
		t.Error("nothing in the log")
	}
}

// The work of a refusal is the same whatever was wrong: at least one slow hash.
func TestRefusalsDoTheSameWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fixtureOptions{})
		expired, _ := f.addPassword(NewPassword{Expires: time.Now().Add(time.Second)})
		good, _ := f.addPassword(NewPassword{})
		time.Sleep(time.Second)
		for _, try := range []struct {
			name, user string
			password   Secret
		}{
			{"unknown account", "bob@example.com", good}, {"wrong password", ann, NewSecret("wrong")}, {"expired password", ann, expired},
		} {
			// With both places taken, whoever needs a slow hash waits.
			f.slow <- struct{}{}
			f.slow <- struct{}{}
			answered := make(chan error, 1)
			go func() {
				_, err := f.CheckPassword(t.Context(), try.user, try.password)
				answered <- err
			}()
			synctest.Wait()
			if len(answered) > 0 {
				t.Errorf("%s: answered at once: %v", try.name, <-answered)
				continue
			}
			// Whoever has the right generated password does not wait.
			if _, err := f.CheckPassword(t.Context(), ann, good); err != nil {
				t.Error(err)
			}
			<-f.slow
			if err := <-answered; !errors.Is(err, ErrWrongPassword) {
				t.Errorf("%s: %v", try.name, err)
			}
			<-f.slow
		}
		f.slow <- struct{}{}
		f.slow <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.CheckPassword(ctx, ann, NewSecret("wrong")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v; want the end of the context", err)
		}
	})
}

func TestSlowHashesTakeTurns(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	secret, _ := f.addPassword(NewPassword{Chosen: NewSecret("plum harvest under seven bridges")})
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if _, err := f.CheckPassword(t.Context(), ann, secret); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(f.slow); n != 0 {
		t.Errorf("%d turns not given back", n)
	}
}

// fullStore fails as a store on a full disk does.
type fullStore struct{ store.Store }

func (fullStore) View(context.Context, string) (store.Record, error) {
	return store.Record{}, fmt.Errorf("record x: %w: no space left; make room", store.ErrUnavailable)
}

func TestStoreTroubleBringsItsOwnCure(t *testing.T) {
	f := newFixture(t, fixtureOptions{store: fullStore{store.NewMemory()}})
	_, err := f.Token(t.Context(), ann)
	p, ok := errors.AsType[*Problem](err)
	if !ok || p.Cure != "make room" || strings.Contains(p.Say, "make room") {
		t.Errorf("%+v", p)
	}
}

func TestStoreTroubleIsNoWrongPassword(t *testing.T) {
	f := newFixture(t, fixtureOptions{store: lockedStore{store.NewMemory()}})
	_, err := f.CheckPassword(t.Context(), ann, NewSecret("x"))
	wantProblem(t, err, Retry, "store")
	_, err = f.Token(t.Context(), ann)
	wantProblem(t, err, Retry, "store")
}

// lockedStore is one whose key can not be had.
type lockedStore struct{ store.Store }

func (lockedStore) View(context.Context, string) (store.Record, error) {
	return store.Record{}, store.ErrUnavailable
}

func TestPasswordOfNobody(t *testing.T) {
	f := newFixture(t, fixtureOptions{})
	if _, _, err := f.AddPassword(t.Context(), "bob@example.com", NewPassword{}); !errors.Is(err, ErrUnknownAccount) {
		t.Error(err)
	}
	if _, err := f.RevokePassword(t.Context(), "bob@example.com", "x"); !errors.Is(err, ErrUnknownAccount) {
		t.Error(err)
	}
	if list, _ := f.store.List(t.Context()); len(list) != 0 {
		t.Errorf("records were made: %v", list)
	}
}

func TestStrength(t *testing.T) {
	for _, weak := range []string{
		"", "short", "elevenchars", "passwordpassword", "Password2024!!!!", "P@ssw0rd1234", "qwertyuiop12", "123456789012", "aaaaaaaaaaaa",
		"abcabcabcabcabc", "abcdefghijkl", "zyxwvutsrqponm", "aaaabbbbccccdddd", "Welcome12345!", "Summer2026Summer", "letmeinletmein",
		"iloveyou123456", "111122223333", "!@#$%^&*()!@#", "outlook365outlook", "Administrator1", "123412341234", "ann.smith.secret", "x ann.smith@example.com y",
		"tab\tin the middle of it", "line\nin the middle of it", "\xff\xfe not text at all", strings.Repeat("long enough ", 30),
	} {
		if err := checkStrength(NewSecret(weak), "ann.smith@example.com"); err == nil {
			t.Errorf("accepted %q", weak)
		} else if weak != "" && len(weak) > 5 && strings.Contains(err.Error(), weak) {
			t.Errorf("the error quotes %q", weak)
		}
	}
	for _, good := range []string{
		"correct horse battery staple", "plum harvest under seven bridges", "Tr0ub4dor&3xy", "k7d2mq9xw4vb", "größere Äpfel fallen später", "pässwörter können länger sein",
	} {
		if err := checkStrength(NewSecret(good), "ann.smith@example.com"); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	f := newFixture(t, fixtureOptions{})
	if _, _, err := f.AddPassword(t.Context(), ann, NewPassword{Chosen: NewSecret("annannannann1")}); err == nil {
		t.Error("accepted a password with the address in it")
	}
	if n := len(f.recordOrNew().Passwords); n != 0 {
		t.Errorf("%d passwords stored", n)
	}
}

func (f *fixture) recordOrNew() store.Record {
	r, _ := f.store.View(context.Background(), ann)
	return r
}

func BenchmarkCheckGenerated(b *testing.B) {
	m, err := New(Options{Store: store.NewMemory(), Declared: []Account{{Email: ann, Provider: Provider{Name: "outlook"}, ClientID: clientID}}})
	if err != nil {
		b.Fatal(err)
	}
	secret, _, err := m.AddPassword(b.Context(), ann, NewPassword{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.CheckPassword(b.Context(), ann, secret); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(hashGenerated(NewSecret("x")))
	f.Add("argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err == nil && h.slow && (h.memory > mostArgonMemory || h.passes > mostArgonPasses || h.lanes > mostArgonLanes || h.passes == 0 || h.lanes == 0) {
			t.Errorf("%q: %+v", s, h)
		}
	})
}
