package store

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"
)

// fakeKeyring is a keyring whose answers a test can hold up or replace.
type fakeKeyring struct {
	mu      sync.Mutex
	entries map[string]string
	asked   []string
	before  func(what string) error // called before an answer, without the lock; its error is the answer
}

func (k *fakeKeyring) do(what, service, user string, act func(name string) error) error {
	k.mu.Lock()
	k.asked = append(k.asked, what)
	before := k.before
	k.mu.Unlock()
	if before != nil {
		if err := before(what); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries == nil {
		k.entries = map[string]string{}
	}
	return act(service + "/" + user)
}

func (k *fakeKeyring) Get(service, user string) (text string, err error) {
	err = k.do("get", service, user, func(name string) error {
		var ok bool
		if text, ok = k.entries[name]; !ok {
			return keyring.ErrNotFound
		}
		return nil
	})
	return text, err
}

func (k *fakeKeyring) Set(service, user, text string) error {
	return k.do("set", service, user, func(name string) error { k.entries[name] = text; return nil })
}

func (k *fakeKeyring) Delete(service, user string) error {
	return k.do("delete", service, user, func(name string) error {
		if _, ok := k.entries[name]; !ok {
			return keyring.ErrNotFound
		}
		delete(k.entries, name)
		return nil
	})
}

func (k *fakeKeyring) answer(before func(what string) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before = before
}

// texts are the entries' contents.
func (k *fakeKeyring) texts() (all []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, text := range k.entries {
		all = append(all, text)
	}
	return all
}

func (k *fakeKeyring) questions() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.asked)
}

// fakeRing is what newRing returns, over l.
func fakeRing(l library) *ring {
	r := newRing()
	r.library, r.look = l, func(context.Context) (bool, error) { return false, nil }
	return r
}

func requireUnavailableSaying(t *testing.T, err error, says string) {
	t.Helper()
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v; want ErrUnavailable saying %q", err, says)
	}
}

func TestKeyringKey(t *testing.T) {
	lib := &fakeKeyring{}
	k := keyringKey{fakeRing(lib), "postern", "one"}
	if _, err := k.Key(t.Context(), false); !errors.Is(err, ErrNoKey) || !errors.Is(err, ErrUnavailable) || isNotFound(err) {
		t.Errorf("no entry: %v", err)
	}
	if len(lib.texts()) != 0 {
		t.Error("a key was made without leave")
	}
	first, err := k.Key(t.Context(), true)
	if err != nil || first == [32]byte{} {
		t.Fatalf("got %x, %v", first, err)
	}
	if b, err := base64.StdEncoding.DecodeString(lib.entries["postern/one"]); err != nil || [32]byte(b) != first {
		t.Errorf("the entry holds %x, %v", b, err)
	}
	for _, create := range []bool{true, false} {
		if again, err := k.Key(t.Context(), create); err != nil || again != first {
			t.Errorf("got %x, %v; want %x", again, err, first)
		}
	}
	if k.Describe() != `keyring entry "postern/one"` {
		t.Error(k.Describe())
	}
	for range 2 {
		if err := k.remove(t.Context()); err != nil || len(lib.texts()) != 0 {
			t.Errorf("remove: %v, left %d", err, len(lib.texts()))
		}
	}
}

func TestKeyringGarbled(t *testing.T) {
	for _, text := range []string{"", "x", "AAAA", base64.StdEncoding.EncodeToString(make([]byte, 33)), strings.Repeat("0", 64)} {
		lib := &fakeKeyring{entries: map[string]string{"postern/one": text}}
		_, err := keyringKey{fakeRing(lib), "postern", "one"}.Key(t.Context(), true)
		if !errors.Is(err, ErrDamaged) || lib.entries["postern/one"] != text {
			t.Errorf("%q: got %v, left %q", text, err, lib.entries["postern/one"])
		}
	}
}

// A keyring that forgets, such as one of the session only, is found out before anything is sealed.
func TestKeyringThatForgets(t *testing.T) {
	lib := &fakeKeyring{}
	lib.answer(func(what string) error {
		if what == "get" {
			return keyring.ErrNotFound
		}
		return nil
	})
	_, err := keyringKey{fakeRing(lib), "postern", "one"}.Key(t.Context(), true)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "can not be read back") {
		t.Errorf("got %v", err)
	}
}

func TestKeyringRefusals(t *testing.T) {
	for name, before := range map[string]func(string) error{
		"error": func(string) error { return errors.New("exit status 36") },
		"panic": func(string) error { panic("no signal") },
	} {
		t.Run(name, func(t *testing.T) {
			lib := &fakeKeyring{entries: map[string]string{"postern/one": "kept"}, before: before}
			k := keyringKey{fakeRing(lib), "postern", "one"}
			for range 2 * keyringSlots {
				for _, create := range []bool{true, false} {
					_, err := k.Key(t.Context(), create)
					requireUnavailableSaying(t, err, "keyring")
				}
			}
			if lib.entries["postern/one"] != "kept" {
				t.Error("the entry was changed")
			}
		})
	}
}

// Whoever asks a keyring that hangs is told after the limit, and stands in nobody's way.
func TestKeyringHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lib := &fakeKeyring{}
		k := keyringKey{fakeRing(lib), "postern", "one"}
		want, err := k.Key(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		thaw := make(chan struct{})
		hang := func(string) error { <-thaw; return nil }
		lib.answer(hang)
		began := time.Now()
		_, err = k.Key(t.Context(), false)
		requireUnavailableSaying(t, err, "no answer within 3s")
		if took := time.Since(began); took != keyringLimit {
			t.Errorf("it took %v", took)
		}
		lib.answer(nil)
		if got, err := k.Key(t.Context(), false); err != nil || got != want {
			t.Errorf("beside a question that hangs: %x, %v", got, err)
		}

		lib.answer(hang)
		for range 2 * keyringSlots {
			_, err = k.Key(t.Context(), true)
			requireUnavailableSaying(t, err, "no answer within 3s")
		}
		if n := len(k.ring.slots); n != keyringSlots {
			t.Errorf("%d questions are left behind", n)
		}
		close(thaw)
		synctest.Wait()
		if n := len(k.ring.slots); n != 0 {
			t.Errorf("%d questions are left after they were answered", n)
		}
		if got, err := k.Key(t.Context(), false); err != nil || got != want {
			t.Errorf("afterwards: %x, %v", got, err)
		}
	})
}

func TestKeyringCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		thaw := make(chan struct{})
		lib := &fakeKeyring{before: func(string) error { <-thaw; return nil }}
		k := keyringKey{fakeRing(lib), "postern", "one"}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := k.Key(ctx, true); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		close(thaw)
	})
}

// Nothing is written for a caller who has left.
func TestKeyringLooksTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lib := &fakeKeyring{}
		k := keyringKey{fakeRing(lib), "postern", "one"}
		k.ring.look = func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, nil }
		_, err := k.Key(t.Context(), true)
		requireUnavailableSaying(t, err, "no answer within 3s")
		synctest.Wait()
		if lib.questions() != 0 {
			t.Error("the question was put all the same")
		}
	})
}

// A locked keyring asks a person once, whoever logs in meanwhile, and not again when refused.
func TestKeyringLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lib := &fakeKeyring{}
		k := keyringKey{fakeRing(lib), "postern", "one"}
		want, err := k.Key(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		locked := true
		k.ring.look = func(context.Context) (bool, error) { return locked, nil }
		window := make(chan error)
		lib.answer(func(string) error { return <-window })
		questions := lib.questions()

		began := time.Now()
		_, err = k.Key(t.Context(), false)
		requireUnavailableSaying(t, err, "answer the window")
		if took := time.Since(began); took != keyringLimit {
			t.Errorf("it took %v", took)
		}
		for range 10 {
			_, err = k.Key(t.Context(), true)
			requireUnavailableSaying(t, err, "answer the window")
		}
		window <- errors.New("dismissed")
		synctest.Wait()
		for range 10 {
			_, err = k.Key(t.Context(), true)
			requireUnavailableSaying(t, err, "the keyring is locked; unlock it")
		}
		if n := lib.questions() - questions; n != 1 {
			t.Errorf("a person was asked %d times", n)
		}
		if took := time.Since(began); took != keyringLimit {
			t.Errorf("who came later waited %v", took-keyringLimit)
		}

		locked = false // by somebody else
		lib.answer(nil)
		if got, err := k.Key(t.Context(), false); err != nil || got != want {
			t.Errorf("unlocked: %x, %v", got, err)
		}

		locked = true
		lib.answer(func(string) error { return <-window })
		_, err = k.Key(t.Context(), false)
		requireUnavailableSaying(t, err, "answer the window")
		window <- nil
		synctest.Wait()
		locked = false
		lib.answer(nil)
		if got, err := k.Key(t.Context(), false); err != nil || got != want {
			t.Errorf("after the password: %x, %v", got, err)
		}
	})
}

// The library's own memory keyring holds that systemKeyring calls the right functions.
func TestSystemKeyring(t *testing.T) {
	keyring.MockInit()
	k := keyringKey{fakeRing(systemKeyring{}), "postern", "one"}
	key, err := k.Key(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	text, err := keyring.Get("postern", "one")
	if b, _ := base64.StdEncoding.DecodeString(text); err != nil || [32]byte(b) != key {
		t.Errorf("the library has %q, %v", text, err)
	}
	if err := k.remove(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := k.Key(t.Context(), false); !errors.Is(err, ErrNoKey) {
		t.Errorf("removed: %v", err)
	}
}
