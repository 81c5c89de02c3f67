package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func recordPath(s *File, account string) string { return s.path(fileName(account), recordEnding) }

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// requireRefused holds that a record which can not be read is reported as such, and that Update leaves it
// as it is without running change.
func requireRefused(t *testing.T, s *File, class error) {
	t.Helper()
	path := recordPath(s, ann)
	before, _ := os.ReadFile(path)
	_, viewErr := s.View(t.Context(), ann)
	updateErr := s.Update(t.Context(), ann, func(r *Record) error {
		t.Errorf("change ran on %#v", r)
		return nil
	})
	for what, err := range map[string]error{"View": viewErr, "Update": updateErr} {
		if !errors.Is(err, class) || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: got %v; want %v", what, err, class)
			continue
		}
		if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "; ") {
			t.Errorf("%s: %q does not name the file and a cure", what, err)
		}
		requireNoSecret(t, what, err.Error())
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("Update changed the file")
	}
	if _, err := os.Stat(s.path(fileName(ann), tempEnding)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a temporary file is left: %v", err)
	}
}

// sealedFull is the file of fullRecord under the zero key.
func sealedFull(t testing.TB) []byte {
	t.Helper()
	plain, err := encode(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	return newSealer([32]byte{}).seal(ann, plain)
}

func TestTruncatedAtEveryLength(t *testing.T) {
	whole, s := sealedFull(t), newSealer([32]byte{})
	for n := range whole {
		if _, err := s.open(ann, whole[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := s.open(ann, append(bytes.Clone(whole), 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("one byte more: %v", err)
	}
	if _, err := s.open(ann, whole); err != nil {
		t.Errorf("whole: %v", err)
	}
}

func TestFlippedByteAtEveryOffset(t *testing.T) {
	whole, s := sealedFull(t), newSealer([32]byte{})
	for i := range whole {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			content := bytes.Clone(whole)
			content[i] ^= flip
			want := ErrDamaged
			if i > len(magic) && i <= len(magic)+keyIDSize {
				want = ErrWrongKey
			}
			if _, err := s.open(ann, content); !errors.Is(err, want) {
				t.Errorf("byte %d ^ %#x: got %v; want %v", i, flip, err, want)
			}
		}
	}
}

func TestDamagedFile(t *testing.T) {
	whole := sealedFull(t)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	newer := bytes.Clone(whole)
	newer[len(magic)] = version + 1
	for name, content := range map[string][]byte{
		"empty": {}, "one byte": whole[:1], "half": whole[:len(whole)/2], "flipped": flipped, "zeros": make([]byte, len(whole)),
		"text": []byte("[Token]\naccess = 'x'\n"), "newer version": newer,
		"not JSON": newSealer([32]byte{}).seal(ann, []byte("hello")), "other account": newSealer([32]byte{}).seal(bob, []byte("{}")),
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir(), fixedKey{})
			put(t, s, fullRecord())
			writeFile(t, recordPath(s, ann), content)
			requireRefused(t, s, ErrDamaged)
			if accounts, err := s.List(t.Context()); err != nil || len(accounts) != 1 {
				t.Errorf("List: %q, %v", accounts, err)
			}
			if err := s.Delete(t.Context(), ann); err != nil {
				t.Errorf("Delete: %v", err)
			}
		})
	}
}

func TestOtherKey(t *testing.T) {
	s := openStore(t, t.TempDir(), fixedKey{})
	put(t, s, fullRecord())
	other := openStore(t, s.dir, fixedKey{key: [32]byte{1}})
	requireRefused(t, other, ErrWrongKey)
	if _, err := s.View(t.Context(), ann); err != nil {
		t.Errorf("with the right key: %v", err)
	}
}

func TestRecordOfAnotherAccountDoesNotOpen(t *testing.T) {
	s := openStore(t, t.TempDir(), fixedKey{})
	put(t, s, Record{Account: bob})
	if err := os.Rename(recordPath(s, bob), recordPath(s, ann)); err != nil {
		t.Fatal(err)
	}
	requireRefused(t, s, ErrDamaged)

	// Also when somebody has put the other name into the header.
	content := readFile(t, recordPath(s, ann))
	writeFile(t, recordPath(s, ann), bytes.Replace(content, []byte(bob), []byte(ann), 1))
	requireRefused(t, s, ErrDamaged)
}

func TestLockedKey(t *testing.T) {
	s := openStore(t, t.TempDir(), fixedKey{})
	put(t, s, fullRecord())
	locked := openStore(t, s.dir, lockedKey{})
	requireRefused(t, locked, ErrUnavailable)
	if err := locked.Update(t.Context(), bob, func(*Record) error { t.Error("change ran"); return nil }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("new record without a key: %v", err)
	}
	if _, err := locked.View(t.Context(), bob); !errors.Is(err, ErrNotFound) {
		t.Errorf("no record, no key needed: %v", err)
	}
}

// A key that was replaced while the program runs is asked for again.
func TestKeyReplaced(t *testing.T) {
	key := &fixedKey{}
	s := openStore(t, t.TempDir(), key)
	put(t, s, fullRecord())
	key.key[0] = 1
	other := openStore(t, s.dir, fixedKey{key: key.key})
	if err := os.Remove(recordPath(s, ann)); err != nil {
		t.Fatal(err)
	}
	put(t, other, fullRecord())
	if _, err := s.View(t.Context(), ann); err != nil {
		t.Errorf("record under the new key: %v", err)
	}
	key.key[0] = 2
	put(t, s, Record{Account: bob})
	if _, err := openStore(t, s.dir, key).View(t.Context(), bob); err != nil {
		t.Errorf("new record was sealed with the old key: %v", err)
	}
}

func TestSomethingElseInTheFilesPlace(t *testing.T) {
	t.Run("record", func(t *testing.T) {
		s := newFile(t)
		if err := os.MkdirAll(filepath.Join(recordPath(s, ann), "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		requireRefused(t, s, ErrUnavailable)
	})
	// Nothing stops root from writing into a read-only directory; a directory at the temporary file's name does.
	t.Run("temporary file", func(t *testing.T) {
		s := newFile(t)
		put(t, s, fullRecord())
		if err := os.MkdirAll(filepath.Join(s.path(fileName(ann), tempEnding), "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		before := readFile(t, recordPath(s, ann))
		err := s.Update(t.Context(), ann, func(*Record) error { t.Error("change ran"); return nil })
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if !bytes.Equal(before, readFile(t, recordPath(s, ann))) {
			t.Error("the record changed")
		}
	})
	t.Run("store", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store")
		writeFile(t, path, nil)
		if _, err := OpenFile(path, fixedKey{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// The directory of a disk that is not mounted holds no records either.
func TestDirectoryGone(t *testing.T) {
	wrote := newFile(t)
	put(t, wrote, fullRecord())
	s := openStore(t, wrote.dir, wrote.key.source) // which has read nothing
	if err := os.Rename(s.dir, s.dir+".away"); err != nil {
		t.Fatal(err)
	}
	requireRefused(t, s, ErrUnavailable)
	if _, err := s.List(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("List: %v", err)
	}
	if err := s.Delete(t.Context(), ann); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Delete: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	whole := sealedFull(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte(magic))
	f.Add(newSealer([32]byte{}).seal(ann, []byte(`{"Token":{}}`)))
	f.Fuzz(func(t *testing.T, content []byte) {
		s := newSealer([32]byte{})
		plain, err := s.open(ann, content)
		if err == nil && s.id != [keyIDSize]byte(content[len(magic)+1:]) {
			t.Fatal("opened with another key")
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
			t.Fatalf("error without a class: %v", err)
		}
		split(content)
		// What is not authenticated never gets here; decode has to survive it all the same.
		for _, text := range [][]byte{plain, content} {
			r, err := decode(ann, text)
			if err != nil {
				continue
			}
			again, err := encode(r)
			if err != nil {
				t.Fatalf("decoded but not encoded: %v", err)
			}
			if _, err := decode(ann, again); err != nil {
				t.Fatalf("own encoding does not decode: %v", err)
			}
		}
	})
}
