package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // Windows keeps access lists instead of modes
	}
	s := newFile(t)
	put(t, s, fullRecord())
	for path, want := range map[string]fs.FileMode{
		s.dir: 0o700, s.dir + ".key": 0o600, recordPath(s, ann): 0o600, s.path(fileName(ann), lockEnding): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o; want %o", path, info.Mode().Perm(), want)
		}
	}
	err := s.Update(t.Context(), ann, func(*Record) error {
		info, err := os.Stat(s.path(fileName(ann), tempEnding))
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o600 || info.Size() < headroom {
			t.Errorf("temporary file: mode %o, %d bytes are reserved", info.Mode().Perm(), info.Size())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNothingReadableOnDisk(t *testing.T) {
	s := newFile(t)
	put(t, s, fullRecord())
	content := string(readFile(t, recordPath(s, ann)))
	requireNoSecret(t, "record file", content)
	for _, text := range []string{"outlook", "sha256$", "mutt", "YWNjZXNz"} {
		if strings.Contains(content, text) {
			t.Errorf("the file shows %q", text)
		}
	}
	again := newSealer([32]byte{})
	if a, b := again.seal(ann, nil), again.seal(ann, nil); string(a) == string(b) {
		t.Error("a nonce was used twice")
	}
}

// View must see what another process wrote, although a record of the same size in a file with the same
// inode and, to the kernel's clock, of the same moment looks the same.
func TestViewSeesEveryVersionOfAnother(t *testing.T) {
	s := newFile(t)
	other := openStore(t, s.dir, FileKey(s.dir+".key"))
	set := func(n int) {
		err := other.Update(t.Context(), ann, func(r *Record) error { r.Problem = &Problem{Code: string(rune('a' + n%26))}; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range 60 {
		set(n)
		r, err := s.View(t.Context(), ann)
		if want := string(rune('a' + n%26)); err != nil || r.Problem.Code != want {
			t.Fatalf("got %#v, %v; want %q", r.Problem, err, want)
		}
		set(n + 1) // one inode is used again at every second version
	}
}

func TestModificationTimesGrow(t *testing.T) {
	s := newFile(t)
	put(t, s, fullRecord())
	future := time.Now().Add(time.Hour).Truncate(time.Second)
	if err := os.Chtimes(recordPath(s, ann), future, future); err != nil {
		t.Fatal(err)
	}
	if _, err := increment(s, ann); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(recordPath(s, ann)); err != nil || !info.ModTime().After(future) {
		t.Errorf("got %v, %v; want later than %v", info.ModTime(), err, future)
	}
}

func TestUnchangedRecordIsNotWritten(t *testing.T) {
	s := newFile(t)
	put(t, s, fullRecord())
	before, _ := os.Stat(recordPath(s, ann))
	put(t, s, fullRecord())
	after, _ := os.Stat(recordPath(s, ann))
	if !sameContent(before, after) {
		t.Error("a change that changed nothing was written")
	}
}

func TestSweep(t *testing.T) {
	s := newFile(t)
	put(t, s, Record{Account: ann})
	stale := []string{s.path(fileName(ann), tempEnding), s.path(fileName("gone@example.com"), tempEnding)}
	foreign := filepath.Join(s.dir, "My Notes.tmp")
	for _, path := range append(stale, foreign) {
		writeFile(t, path, []byte("half a record"))
	}
	err := s.Update(t.Context(), bob, func(*Record) error {
		openStore(t, s.dir, FileKey(s.dir+".key"))
		for _, path := range stale {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", path, err)
			}
		}
		if _, err := os.Stat(s.path(fileName(bob), tempEnding)); err != nil {
			t.Errorf("the file of a writer was swept: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a file that is not ours was swept: %v", err)
	}
	if _, err := os.Stat(s.path(fileName("gone@example.com"), lockEnding)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sweeping left a lock file: %v", err)
	}
}

// What a dead process left does not stand in the way while the program runs, either.
func TestStaleTemporaryFile(t *testing.T) {
	s := newFile(t)
	writeFile(t, s.path(fileName(ann), tempEnding), []byte("half a record"))
	put(t, s, fullRecord())
	if _, err := s.View(t.Context(), ann); err != nil {
		t.Error(err)
	}
}

func TestListNamesWhatItCanNotRead(t *testing.T) {
	s := openStore(t, t.TempDir(), fixedKey{})
	long := strings.Repeat("x", 200) + "@example.com"
	put(t, s, Record{Account: long})
	put(t, s, Record{Account: ann})
	writeFile(t, recordPath(s, long), []byte("garbled"))
	accounts, err := s.List(t.Context())
	if len(accounts) != 1 || accounts[0] != ann || !errors.Is(err, ErrDamaged) {
		t.Errorf("got %q, %v", accounts, err)
	}
	writeFile(t, recordPath(s, long), newSealer([32]byte{}).seal(bob, nil))
	if accounts, err := s.List(t.Context()); len(accounts) != 1 || !errors.Is(err, ErrDamaged) {
		t.Errorf("a record that lies about its account: %q, %v", accounts, err)
	}
}

func BenchmarkView(b *testing.B) {
	s := newFile(b)
	put(b, s, fullRecord())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.View(b.Context(), ann); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	s := newFile(b)
	for b.Loop() {
		if _, err := increment(s, ann); err != nil {
			b.Fatal(err)
		}
	}
}
