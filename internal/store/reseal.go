package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// accountFiles returns the names, without ending, of the accounts' files with one of the endings. An account
// with a lock and no record may be about to get one.
func (f *File) accountFiles(endings ...string) ([]string, error) {
	var all []string
	for _, ending := range endings {
		names, err := f.names(ending)
		if err != nil {
			return nil, fmt.Errorf("store %s: %w; %s", f.dir, unavailable(err), cure(err))
		}
		for _, name := range names {
			if _, ok := accountOf(name); ok || strings.HasPrefix(name, hashPrefix) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// resealAll reports whether there was anything to do.
func (f *File) resealAll(ctx context.Context, s *sealer) (some bool, err error) {
	names, err := f.accountFiles(recordEnding, lockEnding)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		done, err := f.reseal(ctx, name, s)
		if err != nil {
			return false, err
		}
		some = some || done
	}
	return some, nil
}

// reseal seals the record of this file name with s, whatever it holds, if there is one and it is not yet.
func (f *File) reseal(ctx context.Context, name string, s *sealer) (done bool, err error) {
	l, err := lockFile(ctx, f.path(name, lockEnding))
	if err != nil {
		return false, fmt.Errorf("record %s: %w", f.path(name, recordEnding), err)
	}
	defer f.unlockFile(l, name)
	r, err := f.rawRecord(name)
	if r == nil || err != nil || r.id == s.id {
		return false, err
	}
	plain, err := f.open(ctx, r.account, r.content)
	if err != nil {
		return false, f.explain(err, r.account)
	}
	p, err := reserve(f.path(name, tempEnding), f.path(name, recordEnding), len(r.content))
	if err == nil {
		err = p.commit(s.seal(r.account, plain), r.info.ModTime())
	}
	if err != nil {
		return false, f.explain(unavailable(err), r.account)
	}
	return true, nil
}

// readable holds that every record opens with s.
func (f *File) readable(s *sealer) error {
	names, err := f.accountFiles(recordEnding)
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range names {
		r, err := f.rawRecord(name)
		if err == nil && r != nil {
			if _, err = s.open(r.account, r.content); err != nil {
				err = f.explain(err, r.account)
			}
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// rawRecord is a record as its file has it; what it says of itself is not authenticated.
type rawRecord struct {
	id      [keyIDSize]byte
	account string
	content []byte
	info    fs.FileInfo
}

// rawRecord returns nil when there is no record.
func (f *File) rawRecord(name string) (*rawRecord, error) {
	path := f.path(name, recordEnding)
	content, info, err := readRegular(path)
	if err != nil {
		if err = unreachable(f.dir, err); isNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("record %s: %w; %s", path, err, cure(err))
	}
	id, account, _, err := split(content)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w; restore it from a backup, or move it out of the store", path, err)
	}
	return &rawRecord{id: id, account: account, content: content, info: info}, nil
}
