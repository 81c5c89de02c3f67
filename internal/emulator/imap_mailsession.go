package emulator

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// mailSession is a logged-in session: imapmemserver's, with Exchange's LIST and flags.
type mailSession struct {
	*imapmemserver.UserSession
	box      *mailbox
	examines bool // the mailbox was opened by EXAMINE, which imapmemserver takes for SELECT
}

// newMailSession takes a session that the front has logged in, hence PREAUTH; its greeting never reaches the client.
func newMailSession(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	conn, ok := c.NetConn().(interface{ openBox() *mailbox })
	if !ok {
		return nil, nil, errors.New("emulator: connection did not come through a front")
	}
	box := conn.openBox()
	return &mailSession{UserSession: imapmemserver.NewUserSession(box.user), box: box}, &imapserver.GreetingData{PreAuth: true}, nil
}

func (s *mailSession) Login(string, string) error { return imapserver.ErrAuthFailed }

func (s *mailSession) Select(name string, opt *imap.SelectOptions) (*imap.SelectData, error) {
	data, err := s.UserSession.Select(name, opt)
	if err != nil {
		return nil, err
	}
	s.examines = opt != nil && opt.ReadOnly
	data.Flags = []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft, "$MDNSent"}
	data.PermanentFlags = data.Flags
	return data, nil
}

// Idle looks after every change. imapmemserver's own (beta.8) misses one that comes between the continuation and
// its first wait.
func (s *mailSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		change := s.box.watch()
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-change:
		case <-stop:
			return nil
		}
	}
}

func (s *mailSession) Append(name string, r imap.LiteralReader, opt *imap.AppendOptions) (*imap.AppendData, error) {
	defer s.box.changed()
	return s.UserSession.Append(name, r, opt)
}

func (s *mailSession) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	if s.examines { // CLOSE removes nothing then (RFC 9051 section 6.4.1)
		return nil
	}
	defer s.box.changed()
	return s.UserSession.Expunge(w, uids)
}

func (s *mailSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, opt *imap.FetchOptions) error {
	if s.examines { // reading sets no flag then (RFC 9051 section 6.3.3)
		for _, b := range opt.BodySection {
			b.Peek = true
		}
		for _, b := range opt.BinarySection {
			b.Peek = true
		}
	}
	if slices.ContainsFunc(opt.BodySection, func(b *imap.FetchItemBodySection) bool { return !b.Peek }) {
		defer s.box.changed() // it becomes seen
	}
	return s.UserSession.Fetch(w, set, opt)
}

func (s *mailSession) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, opt *imap.StoreOptions) error {
	defer s.box.changed()
	return s.UserSession.Store(w, set, flags, opt)
}

func (s *mailSession) Copy(set imap.NumSet, to string) (*imap.CopyData, error) {
	defer s.box.changed()
	return s.UserSession.Copy(set, to)
}

func (s *mailSession) Move(w *imapserver.MoveWriter, set imap.NumSet, to string) error {
	defer s.box.changed()
	return s.UserSession.Move(w, set, to)
}

func (s *mailSession) Create(name string, _ *imap.CreateOptions) error { return s.box.create(name) }

func (s *mailSession) Delete(name string) error {
	if err := s.UserSession.Delete(name); err != nil {
		return err
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	delete(s.box.folders, name)
	return nil
}

func (s *mailSession) Rename(name, to string, opt *imap.RenameOptions) error {
	if err := s.UserSession.Rename(name, to, opt); err != nil {
		return err
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.folders[strings.TrimRight(to, "/")] = s.box.folders[name]
	delete(s.box.folders, name)
	return nil
}

func (s *mailSession) Subscribe(name string) error   { return s.subscribe(name, true) }
func (s *mailSession) Unsubscribe(name string) error { return s.subscribe(name, false) }

func (s *mailSession) subscribe(name string, on bool) error {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if _, ok := s.box.folders[name]; !ok {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeNonExistent, Text: "No such mailbox"}
	}
	s.box.folders[name] = on
	return nil
}

// List also serves LSUB.
func (s *mailSession) List(w *imapserver.ListWriter, ref string, patterns []string, opt *imap.ListOptions) error {
	if len(patterns) == 0 { // LIST "" "": the hierarchy delimiter
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: '/'})
	}
	s.box.mu.Lock()
	folders := maps.Clone(s.box.folders)
	s.box.mu.Unlock()
	names := slices.Sorted(maps.Keys(folders))
	for _, name := range names {
		matches := func(pattern string) bool { return imapserver.MatchList(name, '/', ref, pattern) }
		if !slices.ContainsFunc(patterns, matches) || opt.SelectSubscribed && !folders[name] || opt.SelectSpecialUse {
			continue
		}
		data := &imap.ListData{Mailbox: name, Delim: '/', Attrs: []imap.MailboxAttr{childrenOf(name, names)}}
		if opt.ReturnStatus != nil {
			var err error
			if data.Status, err = s.UserSession.Status(name, opt.ReturnStatus); err != nil {
				continue // deleted meanwhile
			}
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}

func childrenOf(name string, all []string) imap.MailboxAttr {
	if slices.ContainsFunc(all, func(other string) bool { return strings.HasPrefix(other, name+"/") }) {
		return imap.MailboxAttrHasChildren
	}
	return imap.MailboxAttrHasNoChildren
}
