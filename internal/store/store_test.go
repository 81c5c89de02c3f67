package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

const (
	ann = "ann@example.com"
	bob = "bob@example.com"
)

// fixedKey is a key source that needs no file. Its zero value is a usable key.
type fixedKey struct{ key [32]byte }

func (k fixedKey) Key(context.Context, bool) ([32]byte, error) { return k.key, nil }
func (k fixedKey) Describe() string                            { return "fixed key of the test" }

// lockedKey is a keyring that nobody has opened.
type lockedKey struct{}

func (lockedKey) Key(context.Context, bool) ([32]byte, error) {
	return [32]byte{}, fmt.Errorf("%w: the keyring is locked; unlock it", ErrUnavailable)
}

func (lockedKey) Describe() string { return "locked keyring" }

func openStore(t testing.TB, dir string, keys KeySource) *File {
	t.Helper()
	s, err := OpenFile(dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newFile(t testing.TB) *File {
	dir := filepath.Join(t.TempDir(), "store")
	return openStore(t, dir, FileKey(dir+".key"))
}

// eachStore runs a test against every implementation of the interface.
func eachStore(t *testing.T, test func(t *testing.T, s Store)) {
	t.Run("file", func(t *testing.T) { t.Parallel(); test(t, newFile(t)) })
	t.Run("memory", func(t *testing.T) { t.Parallel(); test(t, NewMemory()) })
}

// fullRecord has every field set, so that a forgotten one shows.
func fullRecord() Record {
	at := time.Date(2026, 11, 24, 15, 0, 0, 123456789, time.UTC)
	return Record{
		Account: ann,
		Settings: &Settings{
			Provider: "outlook", ClientID: "id", Tenant: "common", Flow: "browser", ClientSecretFile: "/a", ClientCertificate: "/b",
			ClientKey: "/c", Mailbox: "shared@example.com", SignInAs: "ann@corp.example", Created: at,
		},
		Passwords: []Password{{ID: "1", Label: "mutt", Hash: "sha256$x", ReadOnly: true, SendOnly: true, Created: at, Expires: at.Add(1)}},
		Token: &Token{
			Access: NewSecret("access-token \xff\x00<&>"), Expiry: at.Add(2), Refresh: NewSecret("refresh-token"),
			Scopes: []string{"a", "b"}, SignedInAs: "ann", Provider: "lab", ClientID: "app", SignedInAt: at.Add(3), RefreshedAt: at.Add(4),
		},
		LoggedOut: at.Add(7),
		Problem:   &Problem{Class: "retry", Code: "http-503", Say: "say", Cure: "cure", At: at.Add(5), RetryAt: at.Add(6)},
	}
}

func put(t testing.TB, s Store, r Record) {
	t.Helper()
	if err := s.Update(context.Background(), r.Account, func(to *Record) error { *to = r; return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestFullRecordIsFull(t *testing.T) {
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch {
		case v.Type() == reflect.TypeFor[time.Time](), v.Type() == reflect.TypeFor[Secret](), v.Kind() != reflect.Struct && v.Kind() != reflect.Pointer && v.Kind() != reflect.Slice:
			if v.IsZero() {
				t.Errorf("fullRecord does not set %s", path)
			}
		case v.Kind() == reflect.Pointer:
			walk(v.Elem(), path)
		case v.Kind() == reflect.Slice:
			walk(v.Index(0), path+"[0]")
		default:
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	}
	walk(reflect.ValueOf(fullRecord()), "Record")
}

func TestRoundTrip(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		want := fullRecord()
		put(t, s, want)
		got, err := s.View(t.Context(), "Ann@Example.COM")
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v; want %#v", got, want)
		}
		if got.Token.Access.Reveal() != want.Token.Access.Reveal() || got.Token.Refresh.Reveal() != "refresh-token" {
			t.Error("a secret came back changed")
		}
	})
}

func TestRoundTripAcrossStores(t *testing.T) {
	s := newFile(t)
	put(t, s, fullRecord())
	other := openStore(t, s.dir, FileKey(s.dir+".key"))
	if got, err := other.View(t.Context(), ann); err != nil || !reflect.DeepEqual(got, fullRecord()) {
		t.Errorf("got %#v, %v", got, err)
	}
}

// A record of the first version must stay readable: Go field names are its JSON names.
func TestFormatOne(t *testing.T) {
	const plain = `{"Settings":{"Provider":"outlook","ClientID":"id","Tenant":"common","Flow":"browser","ClientSecretFile":"/a",` +
		`"ClientCertificate":"/b","ClientKey":"/c","Mailbox":"shared@example.com","SignInAs":"ann@corp.example",` +
		`"Created":"2026-11-24T15:00:00.123456789Z"},"Passwords":[{"ID":"1","Label":"mutt","Hash":"sha256$x","ReadOnly":true,` +
		`"SendOnly":true,"Created":"2026-11-24T15:00:00.123456789Z","Expires":"2026-11-24T15:00:00.12345679Z"}],` +
		`"Token":{"Access":"YWNjZXNzLXRva2VuIP8APCY+","Refresh":"cmVmcmVzaC10b2tlbg==","Expiry":"2026-11-24T15:00:00.123456791Z",` +
		`"Scopes":["a","b"],"SignedInAs":"ann","Provider":"lab","ClientID":"app","SignedInAt":"2026-11-24T15:00:00.123456792Z",` +
		`"RefreshedAt":"2026-11-24T15:00:00.123456793Z"},"LoggedOut":"2026-11-24T15:00:00.123456796Z","Problem":{"Class":"retry","Code":"http-503","Say":"say","Cure":"cure",` +
		`"At":"2026-11-24T15:00:00.123456794Z","RetryAt":"2026-11-24T15:00:00.123456795Z"}}`
	got, err := decode(ann, []byte(plain))
	if err != nil || !reflect.DeepEqual(got, fullRecord()) {
		t.Errorf("decode: %#v, %v", got, err)
	}
	if text, err := encode(fullRecord()); err != nil || string(text) != plain {
		t.Errorf("encode: %s, %v", text, err)
	}
}

func TestViewIsACopy(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		put(t, s, fullRecord())
		for range 2 {
			r, err := s.View(t.Context(), ann)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(r, fullRecord()) {
				t.Fatalf("a caller's change came back: %#v", r)
			}
			r.Settings.Tenant, r.Passwords[0].Label, r.Problem.Say = "x", "x", "x"
			r.Token.Scopes[0], r.Token.Access = "x", NewSecret("x")
		}
	})
}

func TestUpdate(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		var first Record
		err := s.Update(t.Context(), "ANN@example.com", func(r *Record) error {
			first = r.clone()
			r.Account = "somebody else"
			setCount(r, 1)
			return nil
		})
		if err != nil || !reflect.DeepEqual(first, Record{Account: ann}) {
			t.Fatalf("change got %#v, Update %v", first, err)
		}
		if r, err := s.View(t.Context(), ann); err != nil || r.Account != ann || count(&r) != 1 {
			t.Errorf("after creation: %#v, %v", r, err)
		}
		mine := errors.New("change its mind")
		err = s.Update(t.Context(), ann, func(r *Record) error { setCount(r, 2); return mine })
		if !errors.Is(err, mine) || err.Error() != mine.Error() {
			t.Errorf("error of change: %v", err)
		}
		if r, err := s.View(t.Context(), ann); err != nil || count(&r) != 1 {
			t.Errorf("after a change that failed: %#v, %v", r, err)
		}
		if err := s.Update(t.Context(), bob, func(*Record) error { return mine }); !errors.Is(err, mine) {
			t.Error(err)
		}
		if _, err := s.View(t.Context(), bob); !errors.Is(err, ErrNotFound) {
			t.Errorf("a change that failed made a record: %v", err)
		}
		if err := s.Update(t.Context(), bob, func(*Record) error { return nil }); err != nil {
			t.Error(err)
		}
		if _, err := s.View(t.Context(), bob); err != nil {
			t.Errorf("a change that changed nothing made no record: %v", err)
		}
		func() {
			defer func() { recover() }()
			s.Update(t.Context(), ann, func(*Record) error { panic("change panics") })
		}()
		if n, err := increment(s, ann); n != 2 || err != nil {
			t.Errorf("after a panic: %d, %v", n, err)
		}
	})
}

func TestDeleteAndList(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		long := string(slices.Repeat([]byte("ä"), 200)) + "@example.com"
		if got, err := s.List(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("empty store lists %q, %v", got, err)
		}
		if err := s.Delete(t.Context(), ann); !errors.Is(err, ErrNotFound) {
			t.Errorf("delete of nothing: %v", err)
		}
		want := []string{ann, bob, "nul.x@example.com", "../../etc/passwd@x", long}
		for _, account := range want {
			put(t, s, Record{Account: account})
		}
		slices.Sort(want)
		if got, err := s.List(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v", got, err)
		}
		for _, account := range want {
			if err := s.Delete(t.Context(), account); err != nil {
				t.Error(err)
			}
			if _, err := s.View(t.Context(), account); !errors.Is(err, ErrNotFound) {
				t.Errorf("after delete: %v", err)
			}
		}
		if f, ok := s.(*File); ok {
			if left, _ := os.ReadDir(f.dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	})
}

func TestClosedStore(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		put(t, s, fullRecord())
		s.Close()
		_, viewErr := s.View(t.Context(), ann)
		_, listErr := s.List(t.Context())
		updateErr := s.Update(t.Context(), ann, func(*Record) error { t.Error("change ran"); return nil })
		for _, err := range []error{viewErr, listErr, updateErr, s.Delete(t.Context(), ann)} {
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
}

func TestBadAccountNames(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		for _, account := range []string{"", "a\x00b", "a\xffb", string(make([]byte, 2000))} {
			if _, err := s.View(t.Context(), account); !errors.Is(err, ErrNotFound) {
				t.Errorf("View(%q): %v", account, err)
			}
			if err := s.Update(t.Context(), account, func(*Record) error { return nil }); err == nil {
				t.Errorf("Update(%q) took it", account)
			}
			if err := s.Delete(t.Context(), account); !errors.Is(err, ErrNotFound) {
				t.Errorf("Delete(%q): %v", account, err)
			}
		}
	})
}

func TestJSONOfARecordHasNoSecret(t *testing.T) {
	text, err := json.Marshal(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	requireNoSecret(t, "json of a record", string(text))
}
