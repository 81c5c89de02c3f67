//go:build unix

package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

// newAway is a store of a state directory with the records of ann and bob, as a daemon has it open.
func newAway(t *testing.T, lib library) (state string, f *File) {
	t.Helper()
	state = filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	f = openState(t, state, lib)
	for _, account := range []string{ann, bob} {
		r := fullRecord()
		r.Account = account
		put(t, f, r)
	}
	return state, f
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// has wants the full record of the account, but for its refresh token.
func has(t *testing.T, f *File, account, refresh string) {
	t.Helper()
	want := fullRecord()
	want.Account, want.Token.Refresh = account, NewSecret(refresh)
	if got, err := f.View(t.Context(), account); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, %v", account, got, err)
	}
}

func refreshed(t *testing.T, f *File, account, refresh string) {
	t.Helper()
	if err := f.Update(t.Context(), account, func(r *Record) error { r.Token.Refresh = NewSecret(refresh); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestTakenAwayAndBack(t *testing.T) {
	for _, place := range []string{"file", "file:" + filepath.Join(t.TempDir(), "elsewhere.key"), "keyring"} {
		t.Run(place, func(t *testing.T) {
			lib := &fakeKeyring{}
			state, f := newAway(t, lib)
			key, err := ParseSource(state, place)
			if err == nil {
				err = f.Move(t.Context(), key)
			}
			if err != nil {
				t.Fatal(err)
			}
			refreshed(t, f, ann, "second") // and nobody has looked since
			was := f.Describe()
			remove(t, state)

			has(t, f, ann, "second")
			has(t, f, bob, "refresh-token")
			accounts, err := f.List(t.Context())
			if !slices.Equal(accounts, []string{ann, bob}) || !errors.Is(err, ErrAway) || !errors.Is(err, ErrUnavailable) {
				t.Errorf("listed %v, %v", accounts, err)
			}
			err = f.Update(t.Context(), ann, func(*Record) error { t.Error("what can not be written was begun"); return nil })
			if !errors.Is(err, ErrAway) {
				t.Errorf("update: %v", err)
			}
			if back, err := f.ComeBack(t.Context()); back || !errors.Is(err, ErrAway) {
				t.Errorf("without a directory: %v", err)
			}
			if _, err := os.Stat(state); err == nil {
				t.Error("the state directory was made again: it may be a disk that is not mounted")
			}

			if err := os.Mkdir(state, 0o700); err != nil {
				t.Fatal(err)
			}
			has(t, f, ann, "second")
			if back, err := f.ComeBack(t.Context()); !back || err != nil {
				t.Fatal(back, err)
			}
			if back, err := f.ComeBack(t.Context()); back || err != nil {
				t.Error("once more:", back, err)
			}
			if accounts, err := f.List(t.Context()); len(accounts) != 2 || err != nil {
				t.Errorf("listed %v, %v", accounts, err)
			}
			other := openState(t, state, lib)
			if other.Describe() != was {
				t.Errorf("the key is now in the %s", other.Describe())
			}
			has(t, other, ann, "second")
			has(t, other, bob, "refresh-token")
			refreshed(t, other, ann, "third")
			has(t, f, ann, "third")
		})
	}
}

func TestOnlyTheStoresOwnDirectoryIsMadeAgain(t *testing.T) {
	state, f := newAway(t, nil)
	remove(t, filepath.Join(state, storeDir))
	if back, err := f.ComeBack(t.Context()); !back || err != nil {
		t.Fatal(back, err)
	}
	has(t, openState(t, state, nil), ann, "refresh-token")
}

// What is refreshed or removed before ComeBack has come to it is not overwritten by what was known.
func TestUpdateInAnotherDirectory(t *testing.T) {
	state, f := newAway(t, nil)
	remove(t, state)
	other := openState(t, state, nil)
	refreshed(t, f, ann, "second")
	has(t, other, ann, "second")
	if err := f.Delete(t.Context(), bob); err != nil {
		t.Error(err)
	}
	if back, err := f.ComeBack(t.Context()); !back || err != nil {
		t.Fatal(back, err)
	}
	has(t, other, ann, "second")
	if _, err := other.View(t.Context(), bob); !isNotFound(err) {
		t.Errorf("the removed record: %v", err)
	}
}

// Of two versions the later one stays: a backup that was put there, or what another process wrote meanwhile.
func TestLaterVersionStays(t *testing.T) {
	state, f := newAway(t, nil)
	old := state + ".old"
	if err := os.CopyFS(old, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{ann, bob} {
		path := filepath.Join(old, storeDir, fileName(account)+recordEnding)
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	refreshed(t, f, ann, "second")
	remove(t, state)
	if err := os.Rename(old, state); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(state, keyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	has(t, f, ann, "second")
	other := openState(t, state, nil)
	refreshed(t, other, bob, "theirs")
	if back, err := f.ComeBack(t.Context()); !back || err != nil {
		t.Fatal(back, err)
	}
	for _, f := range []*File{f, other} {
		has(t, f, ann, "second")
		has(t, f, bob, "theirs")
	}
}

// Whoever changes the key of the directory that stands there now may wait for the account's lock.
func TestComeBackDoesNotWaitForTheKey(t *testing.T) {
	state, f := newAway(t, nil)
	if err := f.Rekey(t.Context()); err != nil { // which makes a choice file
		t.Fatal(err)
	}
	backup := state + ".backup"
	if err := os.CopyFS(backup, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(backup, keyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	refreshed(t, f, ann, "second")
	remove(t, state)
	if err := os.Rename(backup, state); err != nil {
		t.Fatal(err)
	}
	other := openState(t, state, nil)
	l, err := other.lockKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.remove()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.Update(ctx, ann, func(*Record) error { return nil }); err != nil {
		t.Error(err)
	}
}

// A disk that is mounted over the directory of a daemon which began without it has records of its own, of which what
// the daemon knows is no later version.
func TestRecordsOfAnotherStoreStay(t *testing.T) {
	state, f := newAway(t, nil)
	disk := state + ".disk"
	theirs := openState(t, disk, nil)
	put(t, theirs, fullRecord())
	refreshed(t, theirs, ann, "theirs")
	if err := os.Rename(state, state+".covered"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(disk, state); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(state, storeDir, fileName(ann)+recordEnding)
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	has(t, f, ann, "theirs")
	if back, err := f.ComeBack(t.Context()); !back || err != nil {
		t.Fatal(back, err)
	}
	for _, s := range []*File{f, openState(t, state, nil)} {
		has(t, s, ann, "theirs")
		has(t, s, bob, "refresh-token")
	}
}

func TestRemovedByAnotherProcessStaysRemoved(t *testing.T) {
	for name, look := range map[string]func(*File){
		"looked for": func(f *File) {
			if _, err := f.View(t.Context(), bob); !isNotFound(err) {
				t.Errorf("%v", err)
			}
		},
		"not listed": func(f *File) {
			if accounts, err := f.List(t.Context()); !slices.Equal(accounts, []string{ann}) || err != nil {
				t.Errorf("%v, %v", accounts, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, f := newAway(t, nil)
			if err := openState(t, state, nil).Delete(t.Context(), bob); err != nil {
				t.Fatal(err)
			}
			look(f)
			remove(t, state)
			if err := os.Mkdir(state, 0o700); err != nil {
				t.Fatal(err)
			}
			if back, err := f.ComeBack(t.Context()); !back || err != nil {
				t.Fatal(back, err)
			}
			if accounts, err := openState(t, state, nil).List(t.Context()); !slices.Equal(accounts, []string{ann}) {
				t.Errorf("%v, %v", accounts, err)
			}
		})
	}
}
